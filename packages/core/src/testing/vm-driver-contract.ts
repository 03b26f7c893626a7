import { MachineId } from "@microterm/protocol";
import { afterAll, beforeAll, expect, onTestFinished, vi } from "vitest";
import type { GuestAgent } from "../ports/guest-agent.ts";
import type { Machine, MachineSpec, VmDriver } from "../ports/vm-driver.ts";
import { type ContractSkip, contractSuite } from "./contract-checks.ts";
import { guestAgentChecks } from "./guest-agent-checks.ts";
import { attachTo, readAll, runInGuest } from "./guest-recorder.ts";
import { expectFoundAlive, expectNothingRemoved, expectRemoved, expectResources } from "./host-answers.ts";
import { snapshotChecks } from "./snapshot-checks.ts";

/** What a back end's test file provides. */
export interface VmDriverHarness {
  /** A driver as a newly started server makes it, over the same host state each time. */
  makeDriver(): Promise<VmDriver>;
  /** Ends the machine's VMM from outside, as `kill -9` does. */
  killVmm(machineId: MachineId): Promise<void>;
  /** How long a guest may take from its boot to its agent's answer, ms. */
  readonly bootMs: number;
  readonly memoryMib: number;
  /** Spoils a template as a bad disk does. Never called where the snapshot checks are skipped. */
  damageTemplate(key: string): Promise<void>;
  /** Takes down all that was made for the suite. Rejects when anything leaked. */
  close(): Promise<void>;
}

const encoder = new TextEncoder();
const newId = (length: number): string =>
  Array.from({ length }, () => "abcdefghijklmnopqrstuvwxyz0123456789"[Math.floor(Math.random() * 36)]).join("");

/**
 * What every driver must do. A new driver's test file is one call of this. `agentIsTried`: in the same run and place, the same agent has
 * answered all its calls over another driver.
 */
export function vmDriverContract(
  name: string,
  makeHarness: () => Promise<VmDriverHarness>,
  skips: readonly ContractSkip[] = [],
  { agentIsTried = false } = {},
): void {
  contractSuite(`${name}: VmDriver`, skips, (check) => {
    let harness: VmDriverHarness;
    let driver: VmDriver;
    /** Shared by the tests that do not end it. */
    let shared: Machine;
    const made: string[] = [];

    const spec = (over: Partial<MachineSpec> = {}): MachineSpec => {
      const machineId = MachineId.parse(newId(16));
      made.push(machineId);
      const size = { memoryMib: harness.memoryMib, cpus: 1 };
      return { machineId, ...size, diskId: null, environmentId: newId(12), network: null, limits: null, ...over };
    };
    const agentOf = (machine: Machine): Promise<GuestAgent> => machine.agent({ timeoutMs: harness.bootMs });
    const boot = async (over: Partial<MachineSpec> = {}): Promise<Machine> => {
      const machine = await driver.boot(spec(over));
      onTestFinished(async () => {
        await machine.stop();
      });
      return machine;
    };

    beforeAll(async () => {
      harness = await makeHarness();
      driver = await harness.makeDriver();
      shared = await driver.boot(spec());
      await agentOf(shared);
    }, 900_000);

    afterAll(async () => {
      // Before the machines are looked for: whatever is found then has leaked.
      await shared?.stop();
      const left = await driver?.leftovers(made);
      await harness?.close();
      expect(left).toEqual([]);
    }, 120_000);

    const slow = 300_000;

    if (!agentIsTried)
      guestAgentChecks(
        (test, run) => check(test, run, slow),
        () => agentOf(shared),
      );

    snapshotChecks(check, {
      driver: () => driver,
      makeDriver: () => harness.makeDriver(),
      spec,
      newDiskId: () => {
        const diskId = newId(12);
        made.push(diskId);
        return diskId;
      },
      memoryMib: () => harness.memoryMib,
      agentOf,
      damageTemplate: (key) => harness.damageTemplate(key),
    });

    check("calls share one connection, and the next call replaces a broken one", async () => {
      const [first, second] = await Promise.all([agentOf(shared), agentOf(shared)]);
      expect(second).toBe(first);
      first.close();
      await first.closed;
      await expect(first.metrics()).rejects.toMatchObject({ code: "GUEST_UNREACHABLE" });
      const third = await agentOf(shared);
      expect(third).not.toBe(first);
      expect(third.hello.bootId).toBe(first.hello.bootId);
    });

    check(
      "a restarted server finds a machine, adopts it, and its terminals go on at the same byte",
      async () => {
        const given = spec();
        const before = await driver.boot(given);
        const guest = await agentOf(before);
        const { id } = await guest.openTerminal({ id: "main" as never, cols: 80, rows: 24, command: ["sh"] });
        const first = await attachTo(guest, id);
        first.type("echo kept-$((1+1))\n");
        await vi.waitFor(() => expect(first.seen.text).toMatch(/kept-2\r\n.*[$#]/s), { timeout: 90_000 });
        before.release();
        await vi.waitFor(() => expect(first.seen.isClosed).toBe(true), { timeout: 90_000 });

        const restarted = await harness.makeDriver();
        const found = (await restarted.list()).find(({ machineId }) => machineId === given.machineId);
        expectFoundAlive(found, { machineId: given.machineId, environmentId: given.environmentId });
        const adopted = await restarted.adopt(given.machineId);
        onTestFinished(async () => {
          await adopted.stop();
        });
        const second = await attachTo(await agentOf(adopted), id, first.seen.end);
        second.type("echo on-$((1+1))\n");
        await vi.waitFor(() => expect(second.seen.text).toContain("on-2"), { timeout: 90_000 });
        expect(second.seen.start).toBe(first.seen.end);
        await adopted.stop();
        expect(await restarted.leftovers([given.machineId])).toEqual([]);
      },
      slow,
    );

    check(
      "two machines do not see each other's files",
      async () => {
        const [one, other] = [await agentOf(shared), await agentOf(await boot())];
        await one.write(
          "mine.txt",
          (async function* () {
            yield encoder.encode("mine");
          })(),
        );
        await expect(other.stat("mine.txt")).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
        await one.removeFile("mine.txt");
      },
      slow,
    );

    check(
      "a VMM's death ends its machine as died, and what is left of it is removed",
      async () => {
        const machine = await boot();
        await agentOf(machine);
        await harness.killVmm(machine.id);
        expect((await machine.ended).kind).toBe("died");
        await expect(machine.agent({ timeoutMs: 2000 })).rejects.toMatchObject({ code: "GUEST_UNREACHABLE" });
        expect((await driver.list()).find(({ machineId }) => machineId === machine.id)?.alive ?? false).toBe(false);
        await expect(driver.adopt(machine.id)).rejects.toMatchObject({ code: "MACHINE_BOOT_FAILED" });
        await driver.remove(machine.id);
        expect(await driver.leftovers([machine.id])).toEqual([]);
      },
      slow,
    );

    check(
      "a power-off ends the machine as powered-off, also for who adopts it later",
      async () => {
        const machine = await boot();
        await (await agentOf(machine)).powerOff();
        expect((await machine.ended).kind).toBe("powered-off");
        machine.release();
        const adopted = await (await harness.makeDriver()).adopt(machine.id);
        expect((await adopted.ended).kind).toBe("powered-off");
        await adopted.stop();
      },
      slow,
    );

    check(
      "a disk keeps its files over machines, and is removed only when unused",
      async () => {
        const diskId = newId(12);
        made.push(diskId);
        await driver.createDisk(diskId, { sizeMib: 128 });
        await driver.createDisk(diskId, { sizeMib: 128 });
        const unwrittenMib = async () =>
          (await driver.listDisks()).find((disk) => disk.diskId === diskId)?.unwrittenMib;
        expect(await unwrittenMib()).toSatisfy((mib: number) => mib > 64 && mib <= 128);
        const first = await boot({ diskId });
        const guest = await agentOf(first);
        await guest.write(
          "kept.txt",
          (async function* () {
            yield encoder.encode("kept");
          })(),
        );
        await runInGuest(guest, ["sync"]);
        await expect(driver.removeDisk(diskId)).rejects.toMatchObject({ code: "ENVIRONMENT_STATE" });
        await first.stop();
        const second = await boot({ diskId });
        const { body } = await (await agentOf(second)).read("kept.txt");
        expect(new TextDecoder().decode(await readAll(body))).toBe("kept");
        await second.stop();
        expect((await driver.removeDisk(diskId)).bytes).toBeGreaterThan(0);
        expect(await driver.removeDisk(diskId)).toEqual({ files: 0, bytes: 0 });
        expect(await driver.leftovers([diskId])).toEqual([]);
      },
      slow,
    );

    check(
      "stop and remove are safe to repeat, and stop never ends as died",
      async () => {
        const machine = await boot();
        let hasEnded = false;
        void machine.ended.then(() => {
          hasEnded = true;
        });
        expectRemoved(await machine.stop());
        expectNothingRemoved(await machine.stop());
        expectNothingRemoved(await driver.remove(machine.id));
        expect(await driver.leftovers([machine.id])).toEqual([]);
        expect(hasEnded).toBe(false);
      },
      slow,
    );

    check("a boot that is aborted leaves nothing", async () => {
      const given = spec();
      const abort = new AbortController();
      const booting = driver.boot(given, { signal: abort.signal });
      abort.abort(new Error("changed my mind"));
      await expect(booting).rejects.toThrow("changed my mind");
      expect(await driver.leftovers([given.machineId])).toEqual([]);
    });

    check("what a running machine may use is changed while it works", async () => {
      const cpu = { weight: 50, quotaPercent: 120 };
      const disk = { mibPerSecond: 64, operationsPerSecond: 2000 };
      const limits = [{ cpu }, { disk }, { cpu, disk }, {}];
      for (const one of limits) await driver.limit(shared.id, one);
      expect((await (await agentOf(shared)).metrics()).processes).toBeGreaterThan(0);
      await expect(driver.limit(MachineId.parse(newId(16)), { disk })).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    check("leftovers finds a machine that runs", async () => {
      expect((await driver.leftovers([shared.id])).length).toBeGreaterThan(0);
    });

    check("the console holds what the guest printed, or says why there is none", async () => {
      expect((await shared.console()).length).toBeGreaterThan(0);
    });

    check("resources tell what the host can give, or that it cannot be told", async () => {
      expectResources(await driver.resources());
    });
  });
}
