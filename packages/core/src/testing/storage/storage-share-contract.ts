import { EnvironmentId, OwnerId, TerminalId } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import type { GrantRow, ShareRow } from "../../ports/repositories/share-repository.ts";
import type { Storage } from "../../ports/repository.ts";
import { accountRow } from "../account-row.ts";
import { environmentRow } from "../environment-row.ts";
import { ANN, BOB, LATER, NOW } from "./storage-rest-contract.ts";

const ENVIRONMENT = EnvironmentId.parse("e00000000001");
const id = (kind: string, number: number): string => `${kind}${String(number).padStart(11, "0")}`;
const codeHash = (number: number): string => String(number).padStart(64, "0");

const link = (number: number, over: Partial<ShareRow> = {}): ShareRow => ({
  ...{ id: id("s", number), kind: "link", codeHash: codeHash(number), environment: ENVIRONMENT, role: "viewer" },
  ...{ terminal: TerminalId.parse("main"), createdBy: ANN, createdAt: NOW, expiresAt: LATER, usesLeft: 1 },
  ...{ withoutAccount: true, anonymousEndedAt: null, scrollback: false, ...over },
});
const browser = (number: number, whose = number): Omit<GrantRow, "share" | "granted" | "asked"> => ({
  ...{ id: id("g", number), account: null, browser: codeHash(whose), name: `n${whose}`, createdAt: NOW },
});
const bobs = (number: number, share: ShareRow): GrantRow => ({
  ...{ ...browser(number), share: share.id, account: BOB, browser: null, name: null },
  ...{ granted: share.role, asked: share.role },
});
const alone = { most: 9, grant: null };

/** What every database must do with shares and grants. `open` resolves with an empty one that has two owners. */
export function shareContract(name: string, open: () => Promise<Storage>): void {
  async function shared(): Promise<Storage> {
    const storage = await open();
    await storage.environments.insert(environmentRow({ id: ENVIRONMENT, owner: ANN }));
    return storage;
  }

  describe(`${name}: shares`, () => {
    it("are of the environment's owner, up to the most, and are found by the hash of their code", async () => {
      const { shares } = await shared();
      expect(await shares.insert(link(1), { most: 2, grant: null })).toBe(true);
      expect(await shares.insert(link(2, { createdBy: BOB }), { most: 2, grant: null })).toBe(false);
      expect(await shares.insert(link(2, { environment: EnvironmentId.parse("gone00000000") }), alone)).toBe(false);
      const more = [3, 4].map((number) => shares.insert(link(number), { most: 2, grant: null }));
      const outcomes = await Promise.allSettled(more);
      expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      // An admin looks in all the same.
      const lookIn = link(5, {
        kind: "look-in",
        codeHash: null,
        createdBy: BOB,
        usesLeft: null,
        withoutAccount: false,
      });
      expect(await shares.insert(lookIn, { most: 2, grant: bobs(5, lookIn) })).toBe(true);
      expect(await shares.find(codeHash(1), NOW)).toEqual({ ...link(1), ownerName: ANN });
      expect([await shares.find(codeHash(1), LATER), await shares.find(codeHash(9), NOW)]).toEqual([null, null]);
      expect(await shares.grant(id("g", 5), NOW)).toMatchObject({ ownerName: ANN, accountName: BOB, kind: "look-in" });
    });

    it("let in as many as they say, each principal once, also where several come at the same time", async () => {
      const { shares } = await shared();
      await shares.insert(link(1, { usesLeft: 2 }), alone);
      const comers = [1, 2, 3, 4].map((number) => shares.accept(codeHash(1), browser(number), NOW));
      const grants = (await Promise.all(comers)).filter((grant) => grant !== null);
      expect(grants).toHaveLength(2);
      const [first] = grants;
      const whose = Number(first?.name?.slice(1));
      expect((await shares.accept(codeHash(1), browser(9, whose), NOW))?.id).toBe(first?.id);
      expect(await shares.accept(codeHash(1), browser(8), NOW)).toBeNull();
      await shares.insert(link(2, { usesLeft: 5 }), alone);
      const same = [11, 12, 13].map((number) => shares.accept(codeHash(2), browser(number, 7), NOW));
      expect(new Set((await Promise.all(same)).map((grant) => grant?.id)).size).toBe(1);
      expect((await shares.find(codeHash(2), NOW))?.usesLeft).toBe(4);
      expect(await shares.accept(codeHash(2), browser(14), LATER)).toBeNull();
      expect((await shares.grantsOf({ account: null, browser: codeHash(7) }, NOW)).map(({ share }) => share)).toEqual([
        id("s", 2),
      ]);
    });

    it("end with all that they let in, and no other", async () => {
      const { shares } = await shared();
      for (const number of [1, 2, 3]) {
        await shares.insert(link(number), alone);
        await shares.accept(codeHash(number), browser(number), NOW);
      }
      expect(await shares.remove(EnvironmentId.parse("other0000000"), id("s", 1))).toBeNull();
      expect(await shares.grant(id("g", 1), NOW)).not.toBeNull();
      expect(await shares.remove(ENVIRONMENT, id("s", 1))).toEqual([id("g", 1)]);
      expect([await shares.remove(ENVIRONMENT, id("s", 1)), await shares.grant(id("g", 1), NOW)]).toEqual([null, null]);
      await shares.setRole(id("g", 2), { asked: "editor" });
      expect(await shares.grant(id("g", 2), NOW)).toMatchObject({ granted: "viewer", asked: "editor" });
      const leave = () => shares.leave(id("g", 2), NOW);
      expect([await leave(), await leave()]).toEqual([true, false]);
      expect(await shares.setRole(id("g", 2), { granted: "editor" })).toBe(false);
      const left = await shares.ofEnvironment(ENVIRONMENT, NOW);
      expect([left.shares.map((one) => one.id), left.grants.map((one) => one.id)]).toEqual([
        [id("s", 2), id("s", 3)],
        [id("g", 3)],
      ]);
      expect(await shares.removeOf({ environment: ENVIRONMENT }, NOW)).toContain(id("g", 3));
      expect(await shares.ofEnvironment(ENVIRONMENT, NOW)).toEqual({ shares: [], grants: [] });
    });

    it("are no visitor's, who keeps what others share", async () => {
      const { shares, accounts } = await shared();
      await shares.insert(link(1), alone);
      const ofBob = link(2, { kind: "account", codeHash: null, usesLeft: null });
      await shares.insert(ofBob, { most: 9, grant: bobs(2, ofBob) });
      expect(await shares.removeOf({ maker: BOB }, NOW)).toEqual([]);
      const anns = async () => [await shares.find(codeHash(1), NOW), await shares.grant(id("g", 2), NOW)];
      expect(await anns()).toMatchObject([{ id: id("s", 1) }, { id: id("g", 2) }]);
      await accounts.change(ANN, { role: "visitor" });
      expect(await anns()).toEqual([null, null]);
      expect(await shares.removeOf({ maker: ANN }, NOW)).toEqual([id("g", 2)]);
    });

    it("let in again who has left, as what they were, and not whom the owner has removed", async () => {
      const { shares } = await shared();
      await shares.insert(link(1, { usesLeft: 3, role: "editor" }), alone);
      const come = (number: number, whose: number) => shares.accept(codeHash(1), browser(number, whose), NOW);
      await come(1, 1);
      await come(2, 2);
      await shares.setRole(id("g", 1), { granted: "viewer", asked: "editor" });
      expect(await shares.leave(id("g", 1), NOW)).toBe(true);
      expect(await shares.grantsOf({ account: null, browser: codeHash(1) }, NOW)).toEqual([]);
      expect(await come(3, 1)).toMatchObject({ id: id("g", 3), granted: "viewer", asked: "viewer" });
      expect((await shares.find(codeHash(1), NOW))?.usesLeft).toBe(1);
      expect([await shares.removeGrant(id("g", 3), NOW), await shares.removeGrant(id("g", 3), NOW)]).toEqual([
        true,
        false,
      ]);
      // Nor as somebody else without an account; who is in stays, and accounts come.
      expect([await come(4, 1), await come(5, 5), (await come(6, 2))?.id]).toEqual([null, null, id("g", 2)]);
      const account = { ...browser(7), account: BOB, browser: null, name: null };
      expect(await shares.accept(codeHash(1), account, NOW)).toMatchObject({ id: id("g", 7), granted: "editor" });
      expect(await shares.removeOf({ account: BOB }, NOW)).toEqual([id("g", 7)]);
      await shares.lowerRole(id("s", 1));
      expect((await shares.find(codeHash(1), NOW))?.role).toBe("viewer");
      const back = { ...account, id: id("g", 8) };
      expect(await shares.accept(codeHash(1), back, NOW)).toMatchObject({ id: id("g", 8), granted: "editor" });
      expect(await shares.removeGrant(id("g", 8), NOW)).toBe(true);
      await shares.removeOf({ account: BOB }, NOW);
      expect(await shares.accept(codeHash(1), { ...account, id: id("g", 9) }, NOW)).toBeNull();
    });

    it("go with the accounts that they are of, and are deleted once they have ended", async () => {
      const { shares, accounts, environments } = await shared();
      const cyd = OwnerId.parse("cydcydcyd");
      await accounts.insert({ ...accountRow(cyd, NOW), disabledAt: NOW });
      const theirs = EnvironmentId.parse("e00000000002");
      await environments.insert(environmentRow({ id: theirs, owner: cyd, name: "theirs" }));
      const ofCyd = link(1, { environment: theirs, createdBy: cyd });
      const ofBob = link(2, { kind: "account", codeHash: null, usesLeft: null });
      await shares.insert(ofCyd, alone);
      await shares.insert(ofBob, { most: 9, grant: bobs(2, ofBob) });
      await shares.insert(link(3, { expiresAt: NOW }), alone);
      expect(await shares.find(codeHash(1), NOW)).toBeNull();
      expect((await shares.grantsOf({ account: BOB, browser: null }, NOW)).map((grant) => grant.id)).toEqual([
        id("g", 2),
      ]);
      expect(await shares.removeEnded(NOW)).toBe(2);
      expect(await shares.removeOf({ account: BOB }, NOW)).toEqual([id("g", 2)]);
      expect((await shares.ofEnvironment(ENVIRONMENT, NOW)).shares).toEqual([ofBob]);
      expect([await shares.removeOf({ account: ANN }, NOW), await shares.removeEnded(NOW)]).toEqual([[id("g", 2)], 0]);
      expect((await shares.ofEnvironment(ENVIRONMENT, NOW)).shares).toEqual([]);
    });
  });
}
