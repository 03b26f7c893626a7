import { AccountId } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import type { AccountRow, Credential, InvitationRow } from "../../ports/repositories/account-repository.ts";
import type { NetworkRow, Storage } from "../../ports/repository.ts";
import { accountRow } from "../account-row.ts";
import { environmentRow } from "../environment-row.ts";
import { ANN, BOB, credential, LATER, NOW } from "./storage-rest-contract.ts";

const CAT = AccountId.parse("catcatcat");
const invitation = (over: Partial<InvitationRow> = {}): InvitationRow => ({
  ...{ hash: "1".repeat(64), id: "invitation01", role: "visitor", usesLeft: 2 },
  ...{ createdBy: ANN, createdAt: NOW, expiresAt: LATER, ...over },
});
const wish = (name: string): Omit<AccountRow, "role"> => {
  const { role: _role, ...rest } = accountRow(`${name}000000`, NOW);
  return { ...rest, name };
};
const credentialOf = (digit: string, over: Partial<Credential>): Credential =>
  credential({ hash: digit.repeat(64), ...over });

/** What every database must do with accounts, invitations, and credentials of accounts. `open` resolves with one that has Ann, the older one, and Bob. */
export function accountsContract(name: string, open: () => Promise<Storage>): void {
  describe(`${name}: accounts`, () => {
    it("are found by name and id, and a name is never another's id", async () => {
      const { accounts } = await open();
      const named = { ...accountRow(CAT, LATER), name: "cat", passwordHash: "hash", lastSeenAt: NOW };
      await accounts.insert(named);
      expect([await accounts.find("cat"), await accounts.find(CAT)]).toEqual([named, named]);
      expect(await accounts.find("cat%")).toBeNull();
      const taken = expect.objectContaining({ code: "NAME_TAKEN" });
      await expect(accounts.insert({ ...accountRow("another00", LATER), name: CAT })).rejects.toEqual(taken);
    });

    it("are listed by name, with how many environments each has", async () => {
      const { accounts, environments } = await open();
      await environments.insert(environmentRow({ owner: BOB }));
      await accounts.ensureDataFolderAccount(CAT, LATER);
      const listed = (await accounts.list()).map((one) => [one.id, one.environments, one.isDataFolder]);
      expect(listed).toEqual([
        [CAT, 0, true],
        [ANN, 0, false],
        [BOB, 1, false],
      ]);
    });

    it("are changed as far as is said, and the data folder's stays an admin that is enabled", async () => {
      const { accounts } = await open();
      expect(await accounts.change(BOB, { role: "visitor" })).toEqual({ ...accountRow(BOB, LATER), role: "visitor" });
      const disabled = { disabledAt: NOW, stopsAt: LATER };
      expect(await accounts.change(BOB, disabled)).toMatchObject({ role: "visitor", ...disabled });
      expect(await accounts.change(BOB, {})).toMatchObject(disabled);
      expect(await accounts.change(CAT, { role: "admin" })).toBeNull();
      await accounts.ensureDataFolderAccount(CAT, LATER);
      const last = expect.objectContaining({ code: "LAST_ADMIN" });
      for (const patch of [{ role: "member" }, disabled] as const) {
        await expect(accounts.change(CAT, patch)).rejects.toEqual(last);
      }
      expect(await accounts.change(CAT, { role: "admin" })).toMatchObject({ role: "admin" });
      await expect(accounts.remove(CAT)).rejects.toEqual(last);
      expect([await accounts.isDataFolder(CAT), await accounts.isDataFolder(BOB)]).toEqual([true, false]);
    });

    it("are known with the time at which what they run is stopped", async () => {
      const { accounts } = await open();
      await accounts.change(BOB, { disabledAt: NOW, stopsAt: LATER });
      expect(await accounts.listStopping()).toEqual([{ id: BOB, stopsAt: LATER }]);
      await accounts.hasStopped(BOB, NOW);
      expect(await accounts.listStopping()).toHaveLength(1);
      await accounts.hasStopped(BOB, LATER);
      expect(await accounts.listStopping()).toEqual([]);
    });

    it("go with all that is theirs, but not while they have environments", async () => {
      const { accounts, environments, credentials, networks, invitations, idempotency } = await open();
      const row = environmentRow({ owner: BOB, state: "destroying" });
      await environments.insert(row);
      await expect(accounts.remove(BOB)).rejects.toMatchObject({ code: "ACCOUNT_IN_USE" });
      await environments.finish(row.id, BOB, { environment: row.id, name: "n", destroyedAt: NOW } as never);
      await credentials.insert(credentialOf("5", { owner: BOB }));
      await networks.insert({ id: "n00000000001", owner: BOB, name: "net", createdAt: NOW } as NetworkRow, 9);
      await invitations.insert(invitation({ createdBy: BOB }), 9, NOW);
      await idempotency.claim(BOB, "key", "print", NOW);
      expect(await accounts.remove(BOB)).toBe(true);
      expect([await accounts.get(BOB), await accounts.remove(BOB)]).toEqual([null, false]);
      expect(await credentials.find("5".repeat(64), NOW)).toBeNull();
      expect(await invitations.list(NOW)).toEqual([]);
    });

    it("have an admin with a password, or none", async () => {
      const { accounts } = await open();
      await accounts.setPassword(BOB, null, "one");
      expect(await accounts.hasPasswordAdmin()).toBe(false);
      await accounts.change(BOB, { role: "admin" });
      expect(await accounts.hasPasswordAdmin()).toBe(true);
      await accounts.change(BOB, { disabledAt: NOW });
      expect(await accounts.hasPasswordAdmin()).toBe(false);
    });

    it("take a password only in the place of the one that was seen", async () => {
      const { accounts } = await open();
      const first = await Promise.all(["one", "other"].map((hash) => accounts.setPassword(BOB, null, hash)));
      expect(first.sort()).toEqual([false, true]);
      const { passwordHash = null } = (await accounts.get(BOB)) ?? {};
      expect(await accounts.setPassword(BOB, "another", "two")).toBe(false);
      expect(await accounts.setPassword(BOB, null, "two")).toBe(false);
      expect((await accounts.get(BOB))?.passwordHash).toBe(passwordHash);
      expect(await accounts.setPassword(BOB, passwordHash, "two")).toBe(true);
      expect((await accounts.get(BOB))?.passwordHash).toBe("two");
      expect(await accounts.setPassword(CAT, null, "two")).toBe(false);
    });

    it("are as they are once another change of them has ended, for a transaction that locks them", async () => {
      const storage = await open();
      const changing = storage.transaction(async (to) => {
        await to.accounts.lock(BOB);
        await to.accounts.setPassword(BOB, null, "new");
      });
      const seen = storage.transaction((to) => to.accounts.lock(BOB));
      await changing;
      expect((await storage.transaction((to) => to.accounts.lock(BOB)))?.passwordHash).toBe("new");
      expect([null, "new"]).toContain((await seen)?.passwordHash);
      expect(await storage.accounts.lock(CAT)).toBeNull();
    });

    it("take a reset once, which ends what opens sessions, and leaves tokens", async () => {
      const { accounts, credentials } = await open();
      for (const [digit, kind] of [
        ["1", "reset"],
        ["2", "session"],
        ["3", "token"],
        ["4", "known-browser"],
        ["5", "link"],
        ["6", "oidc"],
      ] as const) {
        await credentials.insert(credentialOf(digit, { owner: BOB, kind }));
      }
      const reset = "1".repeat(64);
      expect(await accounts.acceptReset("2".repeat(64), "new", NOW)).toBeNull();
      expect(await accounts.acceptReset(reset, "new", LATER)).toBeNull();
      await accounts.change(BOB, { disabledAt: NOW });
      expect(await accounts.acceptReset(reset, "new", NOW)).toBeNull();
      await accounts.change(BOB, { disabledAt: null });
      const answers = await Promise.all([1, 2, 3].map(() => accounts.acceptReset(reset, "new", NOW)));
      const [accepted, ...more] = answers.filter((one) => one !== null);
      expect(more).toEqual([]);
      expect(accepted?.account).toMatchObject({ id: BOB, passwordHash: "new" });
      expect([...(accepted?.removed ?? [])].sort()).toEqual(["2", "4", "5", "6"].map((digit) => digit.repeat(64)));
      expect(await credentials.hashesOf(BOB)).toEqual(["3".repeat(64)]);
    });
  });

  describe(`${name}: invitations`, () => {
    async function openWithAdmin(): Promise<Storage> {
      const storage = await open();
      await storage.accounts.change(ANN, { role: "admin" });
      return storage;
    }

    it("are not there where their maker is no enabled admin", async () => {
      const { accounts, invitations } = await openWithAdmin();
      await accounts.change(BOB, { role: "admin" });
      const ofBob = invitation({ createdBy: BOB });
      await invitations.insert(ofBob, 9, NOW);
      for (const patch of [{ role: "member" }, { role: "admin", disabledAt: NOW }] as const) {
        await accounts.change(BOB, patch);
        expect([await invitations.find(ofBob.hash, NOW), await invitations.list(NOW)]).toEqual([null, []]);
        expect(await invitations.accept(ofBob.hash, wish("one"), NOW)).toBeNull();
      }
      await accounts.change(BOB, { disabledAt: null });
      expect((await invitations.accept(ofBob.hash, wish("one"), NOW))?.role).toBe("visitor");
    });

    it("are open until they expire or are used up", async () => {
      const { invitations } = await openWithAdmin();
      await invitations.insert(invitation(), 9, NOW);
      expect(await invitations.find(invitation().hash, NOW)).toEqual(invitation());
      expect(await invitations.list(NOW)).toEqual([{ ...invitation(), createdByName: ANN }]);
      expect([await invitations.find(invitation().hash, LATER), await invitations.list(LATER)]).toEqual([null, []]);
      expect([await invitations.removeExpired(NOW), await invitations.removeExpired(LATER)]).toEqual([0, 1]);
    });

    it("make as many accounts as they say, of their role, however many come at once", async () => {
      const { accounts, invitations } = await openWithAdmin();
      await invitations.insert(invitation(), 9, NOW);
      const { hash } = invitation();
      await expect(invitations.accept(hash, wish(BOB), NOW)).rejects.toMatchObject({ code: "NAME_TAKEN" });
      expect((await invitations.find(hash, NOW))?.usesLeft).toBe(2);
      const made = await Promise.all(
        ["one", "two", "three", "four"].map((who) => invitations.accept(hash, wish(who), NOW)),
      );
      expect(made.filter((one) => one !== null)).toHaveLength(2);
      expect(made.every((one) => one === null || one.role === "visitor")).toBe(true);
      expect(await accounts.list()).toHaveLength(4);
      expect(await invitations.accept(hash, wish("five"), NOW)).toBeNull();
    });

    it("are so many at most, and withdrawn by id", async () => {
      const { invitations } = await openWithAdmin();
      const another = (digit: string) => invitation({ hash: digit.repeat(64), id: `invitation0${digit}` });
      await invitations.insert(another("1"), 2, NOW);
      await invitations.insert(another("2"), 2, NOW);
      await expect(invitations.insert(another("3"), 2, NOW)).rejects.toMatchObject({ code: "TOO_MANY" });
      expect([await invitations.remove("invitation01"), await invitations.remove("invitation01")]).toEqual([
        true,
        false,
      ]);
      await invitations.insert(another("3"), 2, NOW);
    });
  });

  describe(`${name}: credentials of an account`, () => {
    it("come with it, in one look-up, and note their use", async () => {
      const { accounts, credentials } = await open();
      const token = credentialOf("3", {
        ...{ owner: BOB, kind: "token", name: "a script", scopes: ["exec", "files"] },
        expiresAt: null,
      });
      await credentials.insert(token);
      expect(await credentials.findWithAccount(token.hash, NOW)).toEqual({
        credential: token,
        account: accountRow(BOB, LATER),
      });
      await credentials.noteUse(token, { at: NOW, address: "2001:db8::1" });
      expect(await credentials.find(token.hash, NOW)).toMatchObject({ lastUsedAt: NOW, address: "2001:db8::1" });
      expect((await accounts.get(BOB))?.lastSeenAt).toBe(NOW);
      expect(await credentials.findWithAccount("f".repeat(64), NOW)).toBeNull();
    });

    it("are listed and removed by kind, and never another's", async () => {
      const { credentials } = await open();
      const sessions = ["1", "2", "3"].map((digit) => credentialOf(digit, { kind: "session" }));
      const foreign = credentialOf("4", { kind: "session", owner: BOB });
      for (const one of [...sessions, foreign, credentialOf("5", { kind: "token" })]) await credentials.insert(one);
      expect(await credentials.list(ANN, "session", NOW)).toEqual(sessions);
      expect(await credentials.list(ANN, "session", LATER)).toEqual([]);
      expect(await credentials.removeById(ANN, "session", foreign.id)).toBeNull();
      expect(await credentials.removeById(ANN, "token", sessions[0]?.id ?? "")).toBeNull();
      expect(await credentials.removeById(ANN, "session", sessions[0]?.id ?? "")).toBe(sessions[0]?.hash);
      expect(await credentials.removeAll(ANN, ["session"], sessions[1]?.hash)).toEqual([sessions[2]?.hash]);
      expect(await credentials.hashesOf(ANN)).toHaveLength(2);
      expect(await credentials.hashesOf(BOB)).toEqual([foreign.hash]);
    });

    it("sign nobody in whose account is disabled", async () => {
      const { accounts, credentials } = await open();
      const link = credentialOf("1", { owner: BOB, kind: "link" });
      await credentials.insert(link);
      await accounts.change(BOB, { disabledAt: NOW });
      expect(await credentials.spend(link.hash, NOW)).toBeNull();
      await accounts.change(BOB, { disabledAt: null });
      expect(await credentials.spend(link.hash, NOW)).toMatchObject({ credential: link, account: { id: BOB } });
    });

    it("sign in once, by a link or from the provider, and by nothing else", async () => {
      const { credentials } = await open();
      for (const kind of ["link", "oidc", "session", "token", "reset", "known-browser"] as const) {
        const one = credentialOf("1", { kind });
        await credentials.insert(one);
        const isSpent = kind === "link" || kind === "oidc";
        expect([kind, await credentials.spend(one.hash, NOW)]).toEqual([
          kind,
          isSpent ? { credential: one, account: accountRow(ANN, NOW) } : null,
        ]);
        expect([kind, await credentials.remove(one.hash)]).toEqual([kind, !isSpent]);
      }
    });
  });
}
