import { EnvironmentId, MachineId, type NetworkPolicy, OwnerId, type Receipt } from "@microterm/protocol";
import { describe, expect, it, onTestFinished } from "vitest";
import { actorOf, SYSTEM } from "../../access/actor.ts";
import type { EnvironmentRow, Storage } from "../../ports/repository.ts";
import { accountRow } from "../account-row.ts";
import { environmentRow } from "../environment-row.ts";
import { accountsContract } from "./storage-accounts-contract.ts";
import { adminActContract } from "./storage-admin-act-contract.ts";
import { auditContract } from "./storage-audit-contract.ts";
import { identitiesContract } from "./storage-identities-contract.ts";
import { keptContract } from "./storage-kept-contract.ts";
import { quotaContract } from "./storage-quota-contract.ts";
import { ANN, BOB, byAnn, byBob, LATER, NOW, restContract } from "./storage-rest-contract.ts";
import { shareContract } from "./storage-share-contract.ts";

const id = (prefix: string) => EnvironmentId.parse(prefix.padEnd(12, "0"));

const machine = (prefix: string) => MachineId.parse(prefix.padEnd(16, "0"));

const row = (over: Partial<EnvironmentRow> = {}): EnvironmentRow =>
  environmentRow({ id: id("aaaa1"), state: "creating", driver: "process", size: null, ...over });

const receiptOf = (environment: EnvironmentRow, destroyedAt = NOW): Receipt => ({
  environment: environment.id,
  name: environment.name,
  destroyedAt,
  cause: "expiry",
  removed: {
    processes: 1,
    cgroups: 1,
    sockets: 2,
    files: 3,
    uids: 1,
    namespaces: 1,
    links: 2,
    flows: 3,
    diskBytes: 4096,
  },
  left: [],
});

/** What every database must do. `makeStorage` resolves with an empty one; the suite closes it. */
export function storageContract(name: string, makeStorage: () => Promise<Storage>): void {
  /** Two owners are always there, so that whatever leaks from one to the other is seen. */
  async function open(): Promise<Storage> {
    const storage = await makeStorage();
    onTestFinished(() => storage.close());
    await storage.accounts.insert(accountRow(ANN, NOW));
    await storage.accounts.insert(accountRow(BOB, LATER));
    return storage;
  }

  describe(`${name}: accounts`, () => {
    it("makes the candidate the data folder's account once, and keeps to it, whatever is older", async () => {
      const storage = await makeStorage();
      onTestFinished(() => storage.close());
      await storage.accounts.insert(accountRow("older0000", "2026-11-22T09:00:00.000Z"));
      expect((await storage.accounts.ensureDataFolderAccount(BOB, NOW)).id).toBe(BOB);
      expect((await storage.accounts.ensureDataFolderAccount(ANN, LATER)).id).toBe(BOB);
    });

    it("keeps an account's id and name to it", async () => {
      const storage = await open();
      const taken = expect.objectContaining({ code: "NAME_TAKEN" });
      await expect(storage.accounts.insert({ ...accountRow(ANN, LATER), name: "another" })).rejects.toEqual(taken);
      await expect(storage.accounts.insert({ ...accountRow("another00", LATER), name: ANN })).rejects.toEqual(taken);
      expect(await storage.accounts.get(BOB)).toEqual(accountRow(BOB, LATER));
    });
  });

  describe(`${name}: environments`, () => {
    it("gives back a row as it was put in", async () => {
      const { environments } = await open();
      const full = row({
        operation: "start",
        step: "disk",
        interruptions: 1,
        reason: "a few words",
        size: "small",
        machineId: MachineId.parse("m".repeat(16)),
        diskId: "m".repeat(16),
        snapshotId: "s".repeat(16),
        idleTimeoutSeconds: 1800,
        expiresAt: LATER,
      });
      await environments.insert(full);
      expect(await environments.get(full.id, SYSTEM)).toEqual(full);
      expect(await environments.get(full.id, byAnn)).toEqual(full);
      expect(await environments.list(byAnn)).toEqual([full]);
    });

    it("refuses a name its owner has, and only that", async () => {
      const { environments } = await open();
      await environments.insert(row());
      await expect(environments.insert(row({ id: id("aaaa2") }))).rejects.toMatchObject({ code: "NAME_TAKEN" });
      await environments.insert(row({ id: id("aaaa3"), owner: BOB }));
      expect((await environments.list(SYSTEM)).map((found) => found.id)).toEqual([id("aaaa1"), id("aaaa3")]);
    });

    it("gives a name to one of many that ask at once", async () => {
      const { environments } = await open();
      const asked = Array.from({ length: 8 }, (_, n) => environments.insert(row({ id: id(`aaaa${n}`) })));
      const settled = await Promise.allSettled(asked);
      expect(settled.filter((one) => one.status === "fulfilled")).toHaveLength(1);
      expect(await environments.list(byAnn)).toHaveLength(1);
    });

    it("refuses an owner that is not there", async () => {
      const { environments } = await open();
      await expect(environments.insert(row({ owner: OwnerId.parse("nobodynobody") }))).rejects.toThrow();
    });

    it("finds by exact name, by id, and by a unique prefix of 4 or more", async () => {
      const { environments } = await open();
      await environments.insert(row({ id: id("abcd1"), name: "one" }));
      await environments.insert(row({ id: id("abcd2"), name: "two" }));
      const named = async (reference: string) => (await environments.find(reference, byAnn))?.name ?? null;
      expect(await named("one")).toBe("one");
      expect(await named(id("abcd2"))).toBe("two");
      expect(await named("abcd1")).toBe("one");
      expect(await named("abcd")).toBeNull();
      expect(await named("abc")).toBeNull();
      expect(await named("on")).toBeNull();
    });

    it("prefers an exact name to an id prefix", async () => {
      const { environments } = await open();
      await environments.insert(row({ id: id("abcd1"), name: "one" }));
      await environments.insert(row({ id: id("ffff1"), name: "abcd1" }));
      expect((await environments.find("abcd1", byAnn))?.id).toBe(id("ffff1"));
    });

    it.each(["%", "____", "abc%", "ABCD1", "", "abcd1' or '1'='1"])("takes %j for no pattern", async (reference) => {
      const { environments } = await open();
      await environments.insert(row({ id: id("abcd1") }));
      expect(await environments.find(reference, byAnn)).toBeNull();
    });

    it("lists the oldest first", async () => {
      const { environments } = await open();
      await environments.insert(row({ id: id("zzzz"), name: "old", createdAt: NOW }));
      await environments.insert(row({ id: id("aaaa"), name: "new", createdAt: LATER }));
      expect((await environments.list(byAnn)).map((found) => found.name)).toEqual(["old", "new"]);
    });

    it("counts an owner's, and lists those whose time may come", async () => {
      const { environments } = await open();
      await environments.insert(row({ name: "plain" }));
      await environments.insert(row({ id: id("aaaa2"), name: "idle", idleTimeoutSeconds: 60 }));
      await environments.insert(row({ id: id("aaaa3"), name: "mortal", owner: BOB, expiresAt: LATER }));
      expect([await environments.count(byAnn), await environments.count(byBob)]).toEqual([2, 1]);
      expect((await environments.listTimed([])).map((found) => found.name).sort()).toEqual(["idle", "mortal"]);
    });

    it("changes the times of one that lives, and nothing else", async () => {
      const { environments } = await open();
      await environments.insert(row({ state: "paused", reason: "idle", idleTimeoutSeconds: 60 }));
      const { id: one } = row();
      const still = { state: "paused", reason: "idle" } as const;
      expect(await environments.setTimes(one, { expiresAt: LATER })).toEqual(
        row({ ...still, idleTimeoutSeconds: 60, expiresAt: LATER }),
      );
      expect(await environments.setTimes(one, { idleTimeoutSeconds: null })).toEqual(
        row({ ...still, expiresAt: LATER }),
      );
      expect(await environments.setTimes(one, {})).toEqual(row({ ...still, expiresAt: LATER }));
      const stale = await environments.transition(one, ["paused"], "destroying", {}, { expiresAt: NOW });
      expect([stale, await environments.transition(one, ["paused"], "destroying", {}, { expiresAt: null })]).toEqual([
        null,
        null,
      ]);
      expect((await environments.transition(one, ["paused"], "destroying", {}, { expiresAt: LATER }))?.state).toBe(
        "destroying",
      );
      expect(await environments.setTimes(one, { expiresAt: null })).toBeNull();
      expect((await environments.get(one, SYSTEM))?.expiresAt).toBe(LATER);
      expect(await environments.setTimes(id("none"), { expiresAt: null })).toBeNull();
    });

    it("changes the limits of one that nothing is being done to, and nothing else", async () => {
      const { environments } = await open();
      await environments.insert(row({ state: "running", operation: null, step: null, machineId: machine("one") }));
      const { id: one, limits } = row();
      const running = { state: "running", machineId: machine("one") } as const;
      const first = { cpuQuotaPercent: 50, diskMibPerSecond: 7 };
      expect((await environments.setLimits(one, first, running))?.limits).toEqual({ ...limits, ...first });
      const second = { cpuQuotaPercent: null, cpuWeight: 3, diskOperationsPerSecond: 10 };
      const changed = await environments.setLimits(one, second, running);
      expect(changed?.limits).toEqual({ ...second, diskMibPerSecond: 7 });
      expect(changed).toEqual({ ...(await environments.get(one, SYSTEM)), limits: changed?.limits });
      expect(await environments.setLimits(one, first, { ...running, machineId: machine("two") })).toBeNull();
      expect(await environments.setLimits(one, first, { ...running, machineId: null })).toBeNull();
      expect(await environments.setLimits(one, first, { state: "stopped", machineId: machine("one") })).toBeNull();
      await environments.transition(one, ["running"], "running", { operation: "stop" });
      expect(await environments.setLimits(one, first, running)).toBeNull();
      expect((await environments.get(one, SYSTEM))?.limits).toEqual(changed?.limits);
      expect((await environments.setLimits(one, first))?.limits).toEqual({ ...changed?.limits, ...first });
      expect(await environments.setLimits(id("gone1"), first)).toBeNull();
    });

    it("changes the network policy of one that lives, and nothing else", async () => {
      const { environments } = await open();
      await environments.insert(row({ state: "paused", network: { mode: "none" } }));
      const { id: one } = row();
      const network: NetworkPolicy = { mode: "allowlist", allow: [{ domain: "*.example.com", ports: [443] }] };
      expect(await environments.setNetwork(one, network)).toEqual(row({ state: "paused", network }));
      expect(await environments.get(one, SYSTEM)).toMatchObject({ state: "paused", network });
      await environments.transition(one, ["paused"], "destroying");
      expect(await environments.setNetwork(one, { mode: "open" })).toBeNull();
      expect(await environments.get(one, SYSTEM)).toMatchObject({ network });
      await environments.insert(row({ id: id("none1"), name: "without", network: null }));
      expect(await environments.setNetwork(id("none1"), network)).toBeNull();
      expect(await environments.get(id("none1"), SYSTEM)).toMatchObject({ network: null });
    });

    it("changes a state only from one of those named", async () => {
      const { environments } = await open();
      await environments.insert(row());
      expect(await environments.transition(row().id, ["running", "stopped"], "destroying")).toBeNull();
      expect((await environments.get(row().id, SYSTEM))?.state).toBe("creating");
      const changed = await environments.transition(row().id, ["creating", "failed"], "running");
      expect(changed).toEqual(row({ state: "running" }));
      expect(await environments.transition(id("none"), ["running"], "stopped")).toBeNull();
      expect(await environments.transition(row().id, [], "stopped")).toBeNull();
    });

    it("changes in a transition what the patch names and nothing else", async () => {
      const { environments } = await open();
      const machineId = MachineId.parse("m".repeat(16));
      const begun = { operation: "start", step: "kernel", interruptions: 1 } as const;
      await environments.insert(row({ ...begun, reason: "slow" }));
      await environments.transition(row().id, ["creating"], "creating", { machineId });
      expect(await environments.get(row().id, SYSTEM)).toEqual(row({ ...begun, reason: "slow", machineId }));
      const ended = { operation: null, step: null, interruptions: 0, reason: "it died" };
      await environments.transition(row().id, ["creating"], "failed", ended);
      expect(await environments.get(row().id, SYSTEM)).toEqual(row({ state: "failed", reason: "it died", machineId }));
      const moved = { diskId: "d".repeat(16), snapshotId: "s".repeat(16) };
      await environments.transition(row().id, ["failed"], "paused", { reason: null, machineId: null, ...moved });
      expect(await environments.get(row().id, SYSTEM)).toEqual(row({ state: "paused", ...moved }));
      await environments.transition(row().id, ["paused"], "stopped", { snapshotId: null });
      expect(await environments.get(row().id, SYSTEM)).toEqual(row({ state: "stopped", diskId: moved.diskId }));
    });

    it("changes within a state only what is as the caller takes it to be", async () => {
      const { environments } = await open();
      await environments.insert(row({ state: "running" }));
      const snapshotId = "s".repeat(16);
      const free = { operation: null, interruptions: 0, machineId: null, snapshotId: null };
      const pausing = { operation: "pause", snapshotId } as const;
      const one = await environments.transition(row().id, ["running"], "running", pausing, free);
      expect(one).toEqual(row({ state: "running", ...pausing }));
      const other = { operation: "pause", snapshotId: "t".repeat(16) } as const;
      expect(await environments.transition(row().id, ["running"], "running", other, free)).toBeNull();
      expect(await environments.transition(row().id, ["running"], "paused", {}, other)).toBeNull();
      expect((await environments.get(row().id, SYSTEM))?.snapshotId).toBe(snapshotId);
      expect((await environments.transition(row().id, ["running"], "paused", {}, { snapshotId }))?.state).toBe(
        "paused",
      );
    });

    it("lets one of many transitions at once win", async () => {
      const { environments } = await open();
      await environments.insert(row({ state: "running" }));
      const asked = Array.from({ length: 16 }, (_, n) =>
        environments.transition(row().id, ["running"], n % 2 === 0 ? "destroying" : "stopped"),
      );
      const won = (await Promise.all(asked)).filter((changed) => changed !== null);
      expect(won).toHaveLength(1);
      expect((await environments.get(row().id, SYSTEM))?.state).toBe(won[0]?.state);
    });

    it("enters a step only while it is creating", async () => {
      const { environments } = await open();
      await environments.insert(row({ reason: "slow" }));
      expect(await environments.enterStep(row().id, "kernel")).toBe(true);
      expect(await environments.get(row().id, SYSTEM)).toEqual(row({ step: "kernel", reason: "slow" }));
      await environments.transition(row().id, ["creating"], "running", { step: null });
      expect(await environments.enterStep(row().id, "agent")).toBe(false);
      expect((await environments.get(row().id, SYSTEM))?.step).toBeNull();
    });

    it("keeps the image that an environment was made with, and notes one only where there is none", async () => {
      const { environments } = await open();
      await environments.insert(row({ image: null }));
      expect(await environments.setImage(row().id, "older")).toBe(true);
      expect(await environments.setImage(row().id, "newer")).toBe(false);
      await environments.transition(row().id, ["creating"], "running");
      expect(await environments.get(row().id, SYSTEM)).toEqual(row({ image: "older", state: "running" }));
      expect(await environments.setImage(id("none"), "older")).toBe(false);
    });

    it("never shows one owner another's", async () => {
      const { environments } = await open();
      await environments.insert(row({ state: "destroying" }));
      expect(await environments.get(row().id, byBob)).toBeNull();
      expect(await environments.find(row().id, byBob)).toBeNull();
      expect(await environments.find(row().name, byBob)).toBeNull();
      expect(await environments.list(byBob)).toEqual([]);
      await environments.finish(row().id, BOB, receiptOf(row()));
      expect(await environments.get(row().id, byAnn)).not.toBeNull();
      // An admin reads it by its id; whether it may do more with it is not asked of storage.
      const admin = actorOf({ id: BOB, role: "admin" });
      expect(await environments.get(row().id, admin)).toEqual(row({ state: "destroying" }));
      expect([await environments.find(row().name, admin), await environments.list(admin)]).toEqual([null, []]);
      expect(await environments.receipt(row().id, byBob)).toBeNull();
      await environments.finish(row().id, ANN, receiptOf(row()));
      expect(await environments.receipt(row().id, byBob)).toBeNull();
      expect(await environments.receipt(row().name, byBob)).toBeNull();
      expect(await environments.receipt(row().id, byAnn)).toEqual(receiptOf(row()));
    });
  });

  describe(`${name}: receipts`, () => {
    it("replaces a destroying row by its receipt, found by id and by name", async () => {
      const { environments } = await open();
      await environments.insert(row({ state: "destroying" }));
      await environments.finish(row().id, ANN, receiptOf(row()));
      expect(await environments.get(row().id, SYSTEM)).toBeNull();
      expect(await environments.receipt(row().id, byAnn)).toEqual(receiptOf(row()));
      expect(await environments.receipt(row().name, byAnn)).toEqual(receiptOf(row()));
      expect(await environments.receipt("another", byAnn)).toBeNull();
      await environments.insert(row({ id: id("aaaa2") }));
    });

    it("finishes nothing that is not being destroyed", async () => {
      const { environments } = await open();
      await environments.insert(row({ state: "running" }));
      await environments.finish(row().id, ANN, receiptOf(row()));
      expect((await environments.get(row().id, SYSTEM))?.state).toBe("running");
      expect(await environments.receipt(row().id, byAnn)).toBeNull();
    });

    it("keeps the first receipt when two finish", async () => {
      const { environments } = await open();
      await environments.insert(row({ state: "destroying" }));
      await Promise.all([
        environments.finish(row().id, ANN, receiptOf(row(), NOW)),
        environments.finish(row().id, ANN, receiptOf(row(), LATER)),
      ]);
      expect((await environments.receipt(row().id, byAnn))?.destroyedAt).toBe(NOW);
    });

    it("answers a name with the one destroyed last, and forgets after 7 days", async () => {
      const { environments } = await open();
      const destroy = async (prefix: string, at: string) => {
        const one = row({ id: id(prefix), state: "destroying" });
        await environments.insert(one);
        await environments.finish(one.id, ANN, receiptOf(one, at));
      };
      await destroy("aaaa1", NOW);
      await destroy("aaaa2", LATER);
      expect((await environments.receipt(row().name, byAnn))?.environment).toBe(id("aaaa2"));
      await destroy("aaaa3", "2026-11-29T10:00:10.000Z");
      expect(await environments.receipt(id("aaaa1"), byAnn)).toBeNull();
      expect(await environments.receipt(id("aaaa2"), byAnn)).not.toBeNull();
    });
  });

  adminActContract(name, open);
  auditContract(name, open);
  restContract(name, open);
  accountsContract(name, open);
  identitiesContract(name, open);
  shareContract(name, open);
  keptContract(name, open);
  quotaContract(name, open);
}
