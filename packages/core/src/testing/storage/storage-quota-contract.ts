import { EnvironmentId, NetworkId, type QuotaLimits, TerminalId } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { SYSTEM } from "../../access/actor.ts";
import type { EnvironmentRow, Storage } from "../../ports/repository.ts";
import { accountRow } from "../account-row.ts";
import { environmentRow } from "../environment-row.ts";
import { ANN, BOB, credential, LATER, NOW } from "./storage-rest-contract.ts";

const NONE: QuotaLimits = {
  ...{ environments: null, running: null, memoryMib: null, cpus: null },
  ...{ diskMib: null, recordingsMib: null, hoursPerDay: null },
};
/** Of {@link environmentRow}: 512 MiB, 1 CPU, 2048 MiB of disk. */
const TWO: QuotaLimits = { ...NONE, environments: 3, running: 2, memoryMib: 1100, cpus: 2, diskMib: 7000 };

const id = (n: number) => EnvironmentId.parse(`env${String(n).padStart(9, "0")}`);

const row = (n: number, over: Partial<EnvironmentRow> = {}): EnvironmentRow =>
  environmentRow({ id: id(n), name: `env-${n}`, state: "creating", ...over });

const exceeded = (name: string) => ({ code: "QUOTA_EXCEEDED", details: { quota: { name } } });

const codesOf = (settled: readonly PromiseSettledResult<unknown>[]) =>
  settled.map((one) => (one.status === "fulfilled" ? "done" : one.reason.code));

/** `open` resolves with a storage in which the accounts ANN and BOB are members. */
export function quotaContract(name: string, open: () => Promise<Storage>): void {
  describe(`${name}: quotas`, () => {
    it("are each role's, or an account's own", async () => {
      const { quotas, accounts } = await open();
      const { member, admin, visitor } = await quotas.roles();
      expect(admin).toEqual(NONE);
      expect(new Set(Object.values(visitor))).toEqual(new Set([0]));
      expect(member).toMatchObject({ environments: 10, running: 5, hoursPerDay: null });
      expect(await quotas.of(ANN)).toEqual({ limits: member, isOwn: false });

      await quotas.setAccount(ANN, TWO);
      await quotas.setAccount(ANN, { ...TWO, cpus: null });
      await quotas.setRole("member", { ...NONE, running: 0 });
      expect(await quotas.of(ANN)).toEqual({ limits: { ...TWO, cpus: null }, isOwn: true });
      expect(await quotas.of(BOB)).toEqual({ limits: { ...NONE, running: 0 }, isOwn: false });
      await quotas.setAccount(ANN, null);
      expect((await quotas.of(ANN))?.isOwn).toBe(false);
      expect(await quotas.of(EnvironmentId.parse("nobodynobody") as never)).toBeNull();
      expect((await accounts.list()).map((one) => one.id)).toEqual([ANN, BOB]);
      expect([(await accounts.find(BOB))?.id, await accounts.find("nobody")]).toEqual([BOB, null]);
    });

    it("are what environments take", async () => {
      const { environments, quotas } = await open();
      await environments.insert(row(1));
      await environments.insert(row(2, { state: "running" }));
      await environments.insert(row(3, { state: "paused", snapshotId: "s".repeat(16) }));
      await environments.insert(row(4, { state: "stopped" }));
      await environments.insert(row(5, { owner: BOB }));
      expect(await quotas.use(ANN, NOW)).toEqual({
        ...{ environments: 4, running: 2, memoryMib: 1024, cpus: 2, diskMib: 4 * 2048 + 512, hoursPerDay: 0 },
      });
    });

    it("are never passed, however many are created or started at once", async () => {
      const { environments, quotas } = await open();
      await quotas.setAccount(ANN, TWO);
      const all = Array.from({ length: 50 }, (_, n) => environments.insert(row(n)));
      const created = codesOf(await Promise.allSettled(all));
      expect(created.filter((code) => code === "done")).toHaveLength(2);
      expect(created.filter((code) => code === "QUOTA_EXCEEDED")).toHaveLength(48);
      expect(await quotas.use(ANN, NOW)).toMatchObject({ environments: 2, running: 2, memoryMib: 1024, cpus: 2 });
      await expect(environments.insert(row(60))).rejects.toMatchObject(exceeded("running"));
      await expect(quotas.assertRoom(ANN, { running: 1 }, NOW)).rejects.toMatchObject(exceeded("running"));
      await environments.insert(row(61, { owner: BOB }));

      await quotas.setAccount(ANN, null);
      for (let n = 70; n < 76; n++) await environments.insert(row(n, { state: "stopped", memoryMib: 128 }));
      await quotas.setAccount(ANN, { ...NONE, running: 4 });
      const started = Array.from({ length: 6 }, (_, n) => environments.begin(id(70 + n), ["stopped"], {}, NOW));
      expect(codesOf(await Promise.allSettled(started)).filter((code) => code === "done")).toHaveLength(2);
      expect(await environments.begin(id(999), ["stopped"], {}, NOW)).toBeNull();
      // Of two that start one, the first takes the room, and the second finds it started.
      await quotas.setAccount(BOB, { ...NONE, running: 1 });
      await environments.transition(id(61), ["creating"], "stopped");
      const twice = [1, 2].map(() => environments.begin(id(61), ["stopped"], {}, NOW));
      expect((await Promise.all(twice)).filter((begun) => begun !== null)).toHaveLength(1);
    });

    it("are spent with what is changed in the same transaction, or not at all", async () => {
      const storage = await open();
      await storage.quotas.setAccount(ANN, { ...NONE, environments: 1 });
      const failing = storage.transaction(async ({ environments }) => {
        await environments.insert(row(1));
        throw new Error("what follows fails");
      });
      await expect(failing).rejects.toThrow("what follows fails");
      const inserts = [2, 3, 4].map((n) =>
        storage.transaction(async ({ environments }) => environments.insert(row(n, { state: "stopped" }))),
      );
      expect(codesOf(await Promise.allSettled(inserts)).sort()).toEqual(["QUOTA_EXCEEDED", "QUOTA_EXCEEDED", "done"]);
      const [made] = await storage.environments.list(SYSTEM);
      const begun = await storage.transaction(({ environments }) =>
        environments.begin(made?.id ?? id(0), ["stopped"], {}, NOW),
      );
      expect(begun?.state).toBe("creating");
      expect((await storage.quotas.use(ANN, NOW)).environments).toBe(1);
    });

    it("of hours count what has run in a day of UTC, whatever has become of it", async () => {
      const { environments, quotas } = await open();
      await environments.insert(row(1));
      const evening = "2026-11-22T23:00:00.000Z";
      await environments.transition(id(1), ["creating"], "running", { runningSince: evening });
      expect((await quotas.use(ANN, "2026-11-22T23:30:00.000Z")).hoursPerDay).toBe(0.5);
      // Counted on its way, as by a server that ends then, and by the next one: no time is counted twice, and none is lost.
      await quotas.countRunning("2026-11-22T23:15:00.400Z");
      await quotas.countRunning("2026-11-22T23:15:00.700Z");
      expect((await environments.get(id(1), SYSTEM))?.runningSince).toBe("2026-11-22T23:15:00.000Z");
      expect((await quotas.use(ANN, "2026-11-22T23:30:00.000Z")).hoursPerDay).toBe(0.5);
      expect((await quotas.use(ANN, "2026-11-23T01:30:00.000Z")).hoursPerDay).toBe(1.5);
      await environments.transition(id(1), ["running"], "stopped", { ranUntil: "2026-11-23T02:00:00.000Z" });
      expect((await quotas.use(ANN, "2026-11-23T09:00:00.000Z")).hoursPerDay).toBe(2);
      expect((await quotas.use(ANN, "2026-11-22T23:59:59.000Z")).hoursPerDay).toBe(1);
      expect((await quotas.use(BOB, "2026-11-23T09:00:00.000Z")).hoursPerDay).toBe(0);

      await quotas.setAccount(ANN, { ...NONE, hoursPerDay: 2 });
      const begin = (at: string) => environments.begin(id(1), ["stopped"], {}, at);
      await expect(begin("2026-11-23T09:00:00.000Z")).rejects.toMatchObject(exceeded("hoursPerDay"));
      expect((await begin("2026-11-24T00:00:00.000Z"))?.state).toBe("creating");
      await quotas.countRunning("2026-11-26T09:00:00.000Z");
      expect((await quotas.use(ANN, "2026-11-23T09:00:00.000Z")).hoursPerDay).toBe(0);
    });

    it("of hours leave out what nobody saw end, but for what was counted", async () => {
      const { environments, quotas } = await open();
      await environments.insert(row(1, { state: "running" }));
      // Of a server that did not count yet.
      await quotas.countRunning("2026-11-22T10:00:00.000Z");
      await quotas.countRunning("2026-11-22T11:00:00.000Z");
      await environments.transition(id(1), ["running"], "failed", { reason: "it was gone" });
      expect((await environments.get(id(1), SYSTEM))?.runningSince).toBeNull();
      expect((await quotas.use(ANN, "2026-11-22T15:00:00.000Z")).hoursPerDay).toBe(1);
    });

    it("tell whose environments run, for those who end them", async () => {
      const { environments, quotas, accounts } = await open();
      const carl = accountRow("carlcarl", NOW);
      await accounts.insert(carl);
      await quotas.setAccount(ANN, { ...NONE, hoursPerDay: 3 });
      for (const [n, owner] of [ANN, ANN, BOB, carl.id].entries()) {
        await environments.insert(row(n, { owner, state: "running", runningSince: "2026-11-22T10:00:00.000Z" }));
      }
      await environments.insert(row(9, { owner: BOB, state: "stopped" }));
      const found = await quotas.runningAccounts("2026-11-22T10:30:00.000Z");
      const byName = [...found].sort((one, other) => one.account.localeCompare(other.account));
      expect(byName).toEqual([
        { account: ANN, hoursPerDay: 3, usedMs: 3_600_000, running: 2 },
        { account: BOB, hoursPerDay: null, usedMs: 0, running: 1 },
        { account: carl.id, hoursPerDay: null, usedMs: 0, running: 1 },
      ]);
      const timed = await environments.listTimed([ANN]);
      expect(timed.map((one) => one.id).sort()).toEqual([id(0), id(1)]);
      expect(await environments.listTimed([])).toEqual([]);
    });
  });

  describe(`${name}: a transfer`, () => {
    const only = { state: "running", machineId: null } as const;
    const to = { from: ANN, to: BOB, name: "env-1", at: "2026-11-22T11:00:00.000Z", isForced: false, only };

    it("gives an environment away, its time until then counted, out of its network, with nothing left open", async () => {
      const { credentials, environments, networks, previews, quotas, shares } = await open();
      const network = NetworkId.parse("n".repeat(12));
      await networks.insert({ id: network, owner: ANN, name: "net", createdAt: NOW }, 5);
      const runningSince = "2026-11-22T10:00:00.000Z";
      const network2 = { mode: "open" } as const;
      await environments.insert(row(1, { state: "running", runningSince, network: network2, sharedNetwork: network }));
      const grant = { hash: "h", id: "g".repeat(12), kind: "link", environment: id(1), port: 80 } as const;
      await previews.insert({ ...grant, credential: null, createdAt: NOW, expiresAt: "2030-01-01T00:00:00.000Z" });
      const share = {
        ...({ id: "s".repeat(12), kind: "link", codeHash: "c".repeat(64), role: "viewer" } as const),
        ...{ environment: id(1), terminal: TerminalId.parse("main"), createdBy: ANN, usesLeft: 1 },
        ...{ withoutAccount: false, anonymousEndedAt: null, scrollback: false, createdAt: NOW, expiresAt: LATER },
      };
      expect(await shares.insert(share, { most: 9, grant: null })).toBe(true);
      const moved = await environments.transfer(id(1), { ...to, name: "given" });
      expect(moved).toMatchObject({
        owner: BOB,
        name: "given",
        sharedNetwork: null,
        runningSince: to.at,
        state: "running",
      });
      expect(await previews.links(id(1), NOW)).toEqual([]);
      // One of its former owner that was on its way.
      const session = credential({ kind: "session" });
      await credentials.insert(session);
      const late = { ...grant, kind: "session", credential: session.hash, createdAt: NOW, expiresAt: LATER } as const;
      expect(await previews.insert(late)).toBe(false);
      const lateLink = { ...late, kind: "link", credential: null } as const;
      expect(await previews.insert(lateLink, { by: ANN, most: 9 })).toBe(false);
      expect(await previews.insert(lateLink, { by: BOB, most: 9 })).toBe(true);
      expect(await shares.ofEnvironment(id(1), NOW)).toEqual({ shares: [], grants: [] });
      const hours = async (owner: typeof ANN) => (await quotas.use(owner, "2026-11-22T11:30:00.000Z")).hoursPerDay;
      expect([await hours(ANN), await hours(BOB)]).toEqual([1, 0.5]);
      // A second one that knew the owner of before.
      expect(await environments.transfer(id(1), to)).toBeNull();
    });

    it("is refused where it is not as it was, the name is taken or there is no room, but for room by force", async () => {
      const { environments, quotas } = await open();
      await environments.insert(row(1, { state: "running" }));
      await environments.insert(row(2, { owner: BOB, name: "taken" }));
      const stopped = { state: "stopped", machineId: null } as const;
      expect(await environments.transfer(id(1), { ...to, only: stopped })).toBeNull();
      await expect(environments.transfer(id(1), { ...to, name: "taken" })).rejects.toMatchObject({
        code: "NAME_TAKEN",
      });
      await quotas.setAccount(BOB, { ...NONE, running: 1 });
      await expect(environments.transfer(id(1), to)).rejects.toMatchObject(exceeded("running"));
      await quotas.setAccount(BOB, { ...NONE, environments: 1 });
      await expect(environments.transfer(id(1), to)).rejects.toMatchObject(exceeded("environments"));
      expect((await environments.get(id(1), SYSTEM))?.owner).toBe(ANN);
      expect((await environments.transfer(id(1), { ...to, isForced: true }))?.owner).toBe(BOB);
    });

    it("goes to one of many who are given it at once", async () => {
      const { environments } = await open();
      await environments.insert(row(1, { state: "running" }));
      const asked = Array.from({ length: 8 }, () => environments.transfer(id(1), to));
      expect((await Promise.all(asked)).filter((moved) => moved !== null)).toHaveLength(1);
      expect((await environments.get(id(1), SYSTEM))?.name).toBe("env-1");
    });
  });
}
