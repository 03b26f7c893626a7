import { EnvironmentId, MachineId, NetworkId, OwnerId } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { actorOf, SYSTEM } from "../../access/actor.ts";
import type { Credential } from "../../ports/repositories/account-repository.ts";
import type { EnvironmentRow, NetworkRow, PreviewGrant, Storage } from "../../ports/repository.ts";
import { environmentRow } from "../environment-row.ts";

export const NOW = "2026-11-22T10:00:00.000Z";
export const LATER = "2026-11-22T10:00:30.000Z";
const MUCH_LATER = "2026-11-22T10:02:00.000Z";
export const ANN = OwnerId.parse("annannann");
export const BOB = OwnerId.parse("bobbobbob");
export const byAnn = actorOf({ id: ANN, role: "member" });
export const byBob = actorOf({ id: BOB, role: "member" });

export const credential = (over: Partial<Credential> = {}): Credential => ({
  hash: "0".repeat(64),
  // As different as the hash, which tests give.
  id: (over.hash ?? "0").slice(0, 12).padEnd(12, "0"),
  kind: "link",
  owner: ANN,
  ...{ name: null, scopes: null, device: null, address: null, lastUsedAt: null },
  createdAt: NOW,
  expiresAt: LATER,
  ...over,
});

/** What every database must do with all but environments. `open` resolves with an empty one that has two owners. */
export function restContract(name: string, open: () => Promise<Storage>): void {
  describe(`${name}: templates`, () => {
    it("keeps each one's recipe, the last one that was given, until it is forgotten", async () => {
      const { templates } = await open();
      expect(await templates.buildVersionOf("a".repeat(32))).toBeNull();
      await templates.made("a".repeat(32), "one");
      await templates.made("b".repeat(32), "other");
      await templates.made("a".repeat(32), "two");
      expect([await templates.buildVersionOf("a".repeat(32)), await templates.buildVersionOf("b".repeat(32))]).toEqual([
        "two",
        "other",
      ]);
      await templates.forget("a".repeat(32));
      await templates.forget("a".repeat(32));
      expect([await templates.buildVersionOf("a".repeat(32)), await templates.buildVersionOf("b".repeat(32))]).toEqual([
        null,
        "other",
      ]);
    });
  });

  describe(`${name}: pins of machines`, () => {
    it("keeps each machine's, the last one that was given, until it is removed", async () => {
      const { machinePins } = await open();
      const [one, other] = [MachineId.parse("a".repeat(16)), MachineId.parse("b".repeat(16))];
      expect(await machinePins.get(one)).toBeNull();
      await machinePins.set(one, "1".repeat(64));
      await machinePins.set(other, "2".repeat(64));
      await machinePins.set(one, "3".repeat(64));
      expect([await machinePins.get(one), await machinePins.get(other)]).toEqual(["3".repeat(64), "2".repeat(64)]);
      expect(await machinePins.list()).toEqual([one, other]);
      await machinePins.remove(one);
      await machinePins.remove(one);
      expect([await machinePins.get(one), await machinePins.get(other)]).toEqual([null, "2".repeat(64)]);
      expect(await machinePins.list()).toEqual([other]);
    });
  });

  describe(`${name}: shared networks`, () => {
    const network = (number: number, over: Partial<NetworkRow> = {}): NetworkRow => ({
      ...{ id: NetworkId.parse(`n0000000000${number}`), owner: ANN, name: `team-${number}`, createdAt: NOW, ...over },
    });
    const only = { state: "running", machineId: null, most: 2 } as const;
    const member = (number: number, over: Partial<EnvironmentRow> = {}): EnvironmentRow =>
      environmentRow({
        ...{
          id: EnvironmentId.parse(`e0000000000${number}`),
          name: `member-${number}`,
          network: { mode: "none" },
          ...over,
        },
      });

    it("has each name once for an owner, up to the most, and finds it by name and id", async () => {
      const { networks } = await open();
      await networks.insert(network(1), 2);
      await expect(networks.insert(network(2, { name: "team-1" }), 2)).rejects.toMatchObject({ code: "NAME_TAKEN" });
      await networks.insert(network(2, { createdAt: LATER }), 2);
      await expect(networks.insert(network(3), 2)).rejects.toMatchObject({ code: "TOO_MANY" });
      const named = network(3, { name: network(1).id });
      await expect(networks.insert(named, 9)).rejects.toMatchObject({ code: "NAME_TAKEN" });
      await networks.insert(network(4, { owner: BOB, name: "team-1" }), 2);
      await networks.insert(network(5, { owner: BOB, name: network(1).id }), 2);
      expect(await networks.list(byAnn)).toEqual([network(1), network(2, { createdAt: LATER })]);
      expect(await networks.find("team-1", byAnn)).toEqual(network(1));
      expect(await networks.find(network(1).id, byAnn)).toEqual(network(1));
      expect([await networks.get(network(1).id, SYSTEM), await networks.get(network(6).id, SYSTEM)]).toEqual([
        network(1),
        null,
      ]);
      expect([await networks.find("team-2", byBob), await networks.find("n000", byAnn)]).toEqual([null, null]);
    });

    it("keeps to that whatever is asked for at the same time", async () => {
      const { environments, networks } = await open();
      const codes = async (all: readonly Promise<unknown>[]): Promise<readonly unknown[]> =>
        (await Promise.allSettled(all)).map((one) => (one.status === "fulfilled" ? one.value : one.reason.code)).sort();
      const same = [1, 2, 3].map((number) => networks.insert(network(number, { name: "same" }), 9));
      expect(await codes(same)).toEqual(["NAME_TAKEN", "NAME_TAKEN", undefined]);
      const [first] = (await networks.list(byAnn)) as [NetworkRow];
      const many = [4, 5, 6, 7].map((number) => networks.insert(network(number), 3));
      expect(await codes(many)).toEqual(["TOO_MANY", "TOO_MANY", undefined, undefined]);

      for (const number of [1, 2, 3, 4]) await environments.insert(member(number));
      const join = async (number: number) =>
        (await environments.setSharedNetwork(member(number).id, first.id, only))?.sharedNetwork ?? "none";
      expect(await codes([1, 2, 3].map(join))).toEqual(["TOO_MANY", first.id, first.id]);
      for (const { id } of await environments.list(SYSTEM)) await environments.undoSharedNetwork(id, null, 2);
      // Either comes first: a network that is gone has no members.
      const [removed, joined] = await Promise.all([networks.remove(first.id), join(4)]);
      expect([removed, joined]).toEqual(removed ? [true, "none"] : [false, first.id]);
    });

    it("has members that nothing is being done to, up to the most, and stays while it has one", async () => {
      const { environments, networks } = await open();
      const { id } = network(1);
      await networks.insert(network(1), 2);
      for (const number of [1, 2, 3]) await environments.insert(member(number));
      await environments.insert(member(4, { network: null }));
      const join = async (number: number, over = {}) =>
        (await environments.setSharedNetwork(member(number).id, id, { ...only, ...over }))?.sharedNetwork;
      expect([await join(4), await join(1, { state: "stopped" }), await join(1), await join(1)]).toEqual([
        ...[undefined, undefined, id, id],
      ]);
      await environments.transition(member(2).id, ["running"], "running", { operation: "stop" });
      expect(await join(2)).toBeUndefined();
      await environments.transition(member(2).id, ["running"], "running", { operation: null });
      expect(await join(2)).toBe(id);
      await expect(join(3)).rejects.toMatchObject({ code: "TOO_MANY" });
      const unknown = await environments.setSharedNetwork(member(3).id, network(2).id, only);
      expect([unknown, await networks.remove(id)]).toEqual([null, false]);
      const undo = async (number: number, to: NetworkId | null, most = 2) => {
        await environments.undoSharedNetwork(member(number).id, to, most);
        return (await environments.get(member(number).id, SYSTEM))?.sharedNetwork;
      };
      await environments.transition(member(2).id, ["running"], "running", { operation: "stop" });
      expect([await undo(2, null), await undo(2, id), await undo(2, id, 1)]).toEqual([null, id, null]);
      expect([await undo(2, id), await undo(2, network(2).id), await undo(2, id)]).toEqual([id, null, id]);
      await environments.transition(member(2).id, ["running"], "running", { operation: null });
      for (const number of [1, 2]) await environments.setSharedNetwork(member(number).id, null, only);
      expect((await environments.get(member(1).id, SYSTEM))?.sharedNetwork).toBeNull();
      expect([await networks.remove(id), await networks.remove(id)]).toEqual([true, false]);
    });
  });

  describe(`${name}: previews`, () => {
    const environment = EnvironmentId.parse("e00000000001");
    const session = credential({ kind: "session", hash: "5".repeat(64) });
    const grant = (over: Partial<PreviewGrant> = {}): PreviewGrant => ({
      ...{ hash: "a".repeat(64), id: "g00000000001", kind: "session", environment, port: 3000 },
      ...{ credential: session.hash, createdAt: NOW, expiresAt: LATER, ...over },
    });
    const link = (at: number, over: Partial<PreviewGrant> = {}): PreviewGrant =>
      grant({ kind: "link", credential: null, hash: String(at).repeat(64), id: `g0000000001${at}`, ...over });
    const opened = async (): Promise<Storage> => {
      const storage = await open();
      await storage.environments.insert(environmentRow({ id: environment, owner: ANN, state: "destroying" }));
      await storage.credentials.insert(session);
      return storage;
    };

    it("finds a grant until it expires", async () => {
      const { previews } = await opened();
      expect(await previews.insert(grant())).toBe(true);
      expect(await previews.find(grant().hash, NOW)).toEqual(grant());
      expect(await previews.find(grant().hash, LATER)).toBeNull();
      expect(await previews.find("f".repeat(64), NOW)).toBeNull();
      expect([await previews.removeExpired(NOW), await previews.removeExpired(LATER)]).toEqual([0, 1]);
      expect(await previews.find(grant().hash, NOW)).toBeNull();
    });

    it("keeps none of a session or an environment that is gone", async () => {
      const { previews, credentials, environments } = await opened();
      await previews.insert(grant());
      await previews.insert(link(1));
      await credentials.remove(session.hash);
      expect(await previews.find(grant().hash, NOW)).toBeNull();
      expect(await previews.insert(grant())).toBe(false);
      const receipt = { environment, name: "n", destroyedAt: NOW } as Parameters<typeof environments.finish>[2];
      await environments.finish(environment, ANN, receipt);
      expect(await previews.find(link(1).hash, NOW)).toBeNull();
      expect(await previews.insert(link(2))).toBe(false);
    });

    it("counts unexpired links in the step that adds one, whatever is asked for at the same time", async () => {
      const { previews } = await opened();
      for (const one of [grant(), link(1, { expiresAt: NOW })]) await previews.insert(one);
      const added = await Promise.allSettled([2, 3, 4, 5].map((at) => previews.insert(link(at), { by: ANN, most: 2 })));
      const codes = added.map((one) => (one.status === "fulfilled" ? one.value : one.reason.code)).sort();
      expect(codes).toEqual(["TOO_MANY", "TOO_MANY", true, true]);
      expect(await previews.links(environment, NOW)).toHaveLength(2);
    });

    it("finds none of an owner who is disabled or a visitor, and all of an owner's", async () => {
      const { previews, accounts, environments } = await opened();
      const theirs = environmentRow({ id: EnvironmentId.parse("e00000000009"), owner: BOB, name: "theirs" });
      await environments.insert(theirs);
      await previews.insert(link(1, { environment: theirs.id }));
      await previews.insert(grant());
      expect(await previews.hashesOf(BOB)).toEqual([link(1).hash]);
      expect(await previews.find(link(1).hash, NOW)).not.toBeNull();
      for (const patch of [{ disabledAt: NOW }, { disabledAt: null, role: "visitor" }] as const) {
        await accounts.change(BOB, patch);
        expect(await previews.find(link(1).hash, NOW)).toBeNull();
      }
    });

    it("lists links alone, and removes one by its id and environment", async () => {
      const { previews } = await opened();
      for (const one of [grant(), link(1), link(2), link(3, { expiresAt: NOW })]) await previews.insert(one);
      expect(await previews.links(environment, NOW)).toEqual([link(1), link(2)]);
      expect(await previews.removeLink(environment, grant().id)).toBeNull();
      expect(await previews.removeLink(EnvironmentId.parse("e00000000002"), link(1).id)).toBeNull();
      expect(await previews.removeLink(environment, link(1).id)).toBe(link(1).hash);
      expect(await previews.links(environment, NOW)).toEqual([link(2)]);
    });
  });

  describe(`${name}: credentials`, () => {
    it("finds one until it expires", async () => {
      const { credentials } = await open();
      const token = credential({ kind: "token", expiresAt: null, hash: "1".repeat(64) });
      await credentials.insert(credential());
      await credentials.insert(token);
      expect(await credentials.find(credential().hash, NOW)).toEqual(credential());
      expect(await credentials.find(credential().hash, LATER)).toBeNull();
      expect(await credentials.find(token.hash, MUCH_LATER)).toEqual(token);
      expect(await credentials.find("f".repeat(64), NOW)).toBeNull();
    });

    it("spends a link once, however many try at once", async () => {
      const { credentials } = await open();
      await credentials.insert(credential());
      const spent = await Promise.all(Array.from({ length: 8 }, () => credentials.spend(credential().hash, NOW)));
      expect(spent.filter((one) => one !== null)).toMatchObject([{ credential: credential(), account: { id: ANN } }]);
      expect(await credentials.find(credential().hash, NOW)).toBeNull();
    });

    it("spends neither an expired link nor another kind", async () => {
      const { credentials } = await open();
      await credentials.insert(credential());
      await credentials.insert(credential({ kind: "session", hash: "1".repeat(64) }));
      expect(await credentials.spend(credential().hash, LATER)).toBeNull();
      expect(await credentials.spend("1".repeat(64), NOW)).toBeNull();
      expect(await credentials.find("1".repeat(64), NOW)).not.toBeNull();
    });

    it("removes one, and those that have expired", async () => {
      const { credentials } = await open();
      await credentials.insert(credential());
      await credentials.insert(credential({ hash: "1".repeat(64), expiresAt: null }));
      await credentials.insert(credential({ hash: "2".repeat(64), expiresAt: MUCH_LATER }));
      expect(await credentials.removeExpired(LATER)).toBe(1);
      expect(await credentials.remove("1".repeat(64))).toBe(true);
      expect(await credentials.remove("1".repeat(64))).toBe(false);
      expect(await credentials.find("2".repeat(64), LATER)).not.toBeNull();
    });
  });

  describe(`${name}: idempotency`, () => {
    it("gives a key to one of many at once, and its answer to the rest", async () => {
      const { idempotency } = await open();
      const claims = await Promise.all(Array.from({ length: 8 }, () => idempotency.claim(ANN, "key", "print", NOW)));
      expect(claims.map((claim) => claim.outcome).sort()).toEqual(["claimed", ...Array(7).fill("pending")]);
      await idempotency.complete(ANN, "key", 201, '{"id":1}');
      expect(await idempotency.claim(ANN, "key", "print", LATER)).toEqual({
        outcome: "done",
        status: 201,
        body: '{"id":1}',
      });
    });

    it("tells another request with the same key apart, done or not", async () => {
      const { idempotency } = await open();
      await idempotency.claim(ANN, "key", "print", NOW);
      expect(await idempotency.claim(ANN, "key", "other", NOW)).toEqual({ outcome: "mismatch" });
      expect(await idempotency.claim(ANN, "key", "other", MUCH_LATER)).toEqual({ outcome: "mismatch" });
      await idempotency.complete(ANN, "key", 201, "{}");
      expect(await idempotency.claim(ANN, "key", "other", NOW)).toEqual({ outcome: "mismatch" });
    });

    it("keeps owners' keys apart", async () => {
      const { idempotency } = await open();
      await idempotency.claim(ANN, "key", "print", NOW);
      expect(await idempotency.claim(BOB, "key", "other", NOW)).toEqual({ outcome: "claimed" });
      await idempotency.complete(BOB, "key", 201, "bob's");
      await idempotency.abandon(BOB, "key");
      expect(await idempotency.claim(ANN, "key", "print", NOW)).toEqual({ outcome: "pending" });
    });

    it("frees an abandoned key, never a completed one", async () => {
      const { idempotency } = await open();
      await idempotency.claim(ANN, "key", "print", NOW);
      await idempotency.abandon(ANN, "key");
      expect(await idempotency.claim(ANN, "key", "other", NOW)).toEqual({ outcome: "claimed" });
      await idempotency.complete(ANN, "key", 201, "{}");
      await idempotency.abandon(ANN, "key");
      expect((await idempotency.claim(ANN, "key", "other", NOW)).outcome).toBe("done");
    });

    it("hands a dead process's claim to one of those that ask after a minute", async () => {
      const { idempotency } = await open();
      await idempotency.claim(ANN, "key", "print", NOW);
      expect((await idempotency.claim(ANN, "key", "print", LATER)).outcome).toBe("pending");
      const claims = await Promise.all(
        Array.from({ length: 4 }, () => idempotency.claim(ANN, "key", "print", MUCH_LATER)),
      );
      expect(claims.filter((claim) => claim.outcome === "claimed")).toHaveLength(1);
    });

    it("forgets what is older than asked", async () => {
      const { idempotency } = await open();
      await idempotency.claim(ANN, "old", "print", NOW);
      await idempotency.claim(ANN, "new", "print", LATER);
      expect(await idempotency.removeBefore(LATER)).toBe(1);
      expect((await idempotency.claim(ANN, "old", "other", LATER)).outcome).toBe("claimed");
      expect((await idempotency.claim(ANN, "new", "other", LATER)).outcome).toBe("mismatch");
    });
  });
}
