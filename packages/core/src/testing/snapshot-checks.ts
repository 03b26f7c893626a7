import { afterAll, expect, onTestFinished, vi } from "vitest";
import type { GuestAgent, GuestIdentity } from "../ports/guest-agent.ts";
import {
  GuestNeverRan,
  type Machine,
  type MachineSpec,
  type TemplateShape,
  type VmDriver,
  type VmSnapshots,
} from "../ports/vm-driver.ts";
import type { Check } from "./contract-checks.ts";
import { attachTo, runInGuest } from "./guest-recorder.ts";

export interface SnapshotWorld {
  readonly driver: () => VmDriver;
  /** As a newly started server makes it. */
  readonly makeDriver: () => Promise<VmDriver>;
  /** A machine's spec with new ids, which are looked for when the suite is over. */
  readonly spec: (over?: Partial<MachineSpec>) => MachineSpec;
  readonly newDiskId: () => string;
  readonly memoryMib: () => number;
  readonly agentOf: (machine: Machine) => Promise<GuestAgent>;
  readonly damageTemplate: (key: string) => Promise<void>;
}

const DISK_MIB = 128;
/** How far a guest's clock may be off, s: the answer's own way takes its part of it on a busy host. */
const CLOCK_SECONDS = 5;
const WAIT = { timeout: 90_000, interval: 20 };
const SLOW_MS = 600_000;
const HEX = "0123456789abcdef";

const hex = (digits: number): string =>
  Array.from({ length: digits }, () => HEX[Math.floor(Math.random() * 16)]).join("");
const seed = (): Uint8Array => crypto.getRandomValues(new Uint8Array(64));
const identity = (): GuestIdentity => ({
  hostname: "microterm",
  machineId: hex(32),
  timeUnixMs: Date.now(),
  seed: seed(),
  environment: "",
  interface: null,
});
async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}

async function expectRightClock(agent: GuestAgent): Promise<void> {
  const before = Date.now() / 1000;
  const { stdout } = await runInGuest(agent, ["date", "+%s.%N"]);
  expect(Number(stdout)).toBeGreaterThan(before - CLOCK_SECONDS);
  expect(Number(stdout)).toBeLessThan(Date.now() / 1000 + CLOCK_SECONDS);
}

/** What a driver with `snapshots` must do. */
export function snapshotChecks(check: Check, world: SnapshotWorld): void {
  const { agentOf, spec } = world;
  const snapshots = (): VmSnapshots => {
    const found = world.driver().snapshots;
    if (found === null) throw new Error("snapshots is null: skip these checks, with a reason");
    return found;
  };
  const shape = (): TemplateShape => ({ memoryMib: world.memoryMib(), cpus: 1, diskMib: DISK_MIB });
  const stopAfter = (machine: Machine): Machine => {
    onTestFinished(async () => {
      await machine.stop();
    });
    return machine;
  };
  const saved = new Set<string>();
  let template: Promise<string> | undefined;

  /** The template of all checks: made by the first that wants it. */
  const builtTemplate = (): Promise<string> => {
    template ??= buildTemplate();
    return template;
  };
  const buildTemplate = async (): Promise<string> => {
    const { key, isBuilt } = await snapshots().findTemplate(shape());
    expect(isBuilt).toBe(false);
    const diskId = world.newDiskId();
    await world.driver().createDisk(diskId, { sizeMib: DISK_MIB });
    const machine = await world.driver().boot(spec({ diskId, environmentId: null, isTemplateSource: true }));
    try {
      const agent = await agentOf(machine);
      await agent.write("from-template.txt", once("warm"));
      await agent.openTerminal({ id: "warm" as never, cols: 80, rows: 24 });
      await agent.seal();
      await expect(agent.metrics()).rejects.toMatchObject({ code: "ENVIRONMENT_STATE" });
      await snapshots().saveTemplate(machine.id, key);
    } finally {
      await machine.stop();
      await world.driver().removeDisk(diskId);
    }
    return key;
  };
  const restore = async (key: string): Promise<{ machine: Machine; diskId: string }> => {
    const diskId = world.newDiskId();
    await snapshots().createDiskFrom(key, diskId);
    onTestFinished(async () => {
      await world.driver().removeDisk(diskId);
    });
    const machine = await snapshots().restore({ ...spec({ diskId, environmentId: null }), template: key });
    return { machine: stopAfter(machine), diskId };
  };

  afterAll(async () => {
    for (const save of saved) await world.driver().snapshots?.removeSnapshot(save);
    for (const key of (await world.driver().snapshots?.listTemplates()) ?? []) {
      await world.driver().snapshots?.removeTemplate(key);
    }
  }, 120_000);

  check(
    "a template is made of a sealed machine, and leaves nothing else of it",
    async () => {
      const key = await builtTemplate();
      expect(await snapshots().findTemplate(shape())).toEqual({ key, isBuilt: true });
      expect(await snapshots().listTemplates()).toContain(key);
      expect(await world.driver().list()).not.toContainEqual(expect.objectContaining({ environmentId: null }));
    },
    SLOW_MS,
  );

  check(
    "machines of one template serve only once they have an identity, and differ",
    async () => {
      const key = await builtTemplate();
      const [one, other] = await Promise.all([restore(key), restore(key)]);
      const found = await world.driver().list();
      expect(found.find(({ machineId }) => machineId === one.machine.id)).toMatchObject({
        alive: true,
        environmentId: null,
      });
      const agents = [await agentOf(one.machine), await agentOf(other.machine)] as const;
      for (const agent of agents) {
        expect(agent.hello.isSealed).toBe(true);
        await expect(agent.terminals()).rejects.toMatchObject({ code: "ENVIRONMENT_STATE" });
        await expect(runInGuest(agent, ["true"])).rejects.toMatchObject({ code: "ENVIRONMENT_STATE" });
        const { bootId } = await agent.identify(identity());
        expect(agent.hello).toMatchObject({ bootId, isSealed: false });
        expect(await agent.terminals()).toEqual([]);
        await expectRightClock(agent);
      }
      const files = ["/proc/sys/kernel/random/boot_id", "/etc/machine-id"];
      const script = `cat ${files.join(" ")}; head -c 16 /dev/urandom | od -An -tx1`;
      const said = await Promise.all(agents.map((agent) => runInGuest(agent, ["sh", "-c", script])));
      const [first, second] = said.map(({ stdout }) => stdout.trim().split("\n")) as [string[], string[]];
      expect(first).toHaveLength(3);
      for (const [line, value] of first.entries()) expect(second[line]).not.toBe(value);
      one.machine.release();
      const adopted = stopAfter(await (await world.makeDriver()).adopt(one.machine.id));
      expect((await agentOf(adopted)).hello).toMatchObject({ bootId: agents[0].hello.bootId, isSealed: false });
    },
    SLOW_MS,
  );

  check(
    "a disk from a template is its own, with what the template's held",
    async () => {
      const key = await builtTemplate();
      const [one, other] = await Promise.all([restore(key), restore(key)]);
      const agents = [await agentOf(one.machine), await agentOf(other.machine)] as const;
      for (const agent of agents) {
        await agent.identify(identity());
        expect((await agent.stat("from-template.txt")).size).toBe(4);
      }
      await agents[0].write("mine.txt", once("mine"));
      await runInGuest(agents[0], ["sync"]);
      await expect(agents[1].stat("mine.txt")).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
      await one.machine.stop();
      const booted = stopAfter(await world.driver().boot(spec({ diskId: one.diskId })));
      expect((await (await agentOf(booted)).stat("mine.txt")).size).toBe(4);
    },
    SLOW_MS,
  );

  check(
    "a paused machine is gone, and goes on at the exact byte with its programs and the right clock",
    async () => {
      const diskId = world.newDiskId();
      await world.driver().createDisk(diskId, { sizeMib: DISK_MIB });
      onTestFinished(async () => {
        await world.driver().removeDisk(diskId);
      });
      const machine = stopAfter(await world.driver().boot(spec({ diskId })));
      let hasEnded = false;
      void machine.ended.then(() => {
        hasEnded = true;
      });
      const agent = await agentOf(machine);
      const command = ["sh", "-c", "i=0; while :; do i=$((i + 1)); echo n$i; done"];
      const { id } = await agent.openTerminal({ id: "main" as never, cols: 80, rows: 24, command });
      const before = await attachTo(agent, id);
      await vi.waitFor(() => expect(before.seen.end).toBeGreaterThan(10_000n), WAIT);

      const snapshotId = world.newDiskId();
      saved.add(snapshotId);
      await snapshots().pause(machine.id, snapshotId);
      await machine.stop();
      expect(hasEnded).toBe(false);
      expect(await world.driver().leftovers([machine.id])).toEqual([]);
      expect(await snapshots().listSnapshots()).toContain(snapshotId);
      await vi.waitFor(() => expect(before.seen.isClosed).toBe(true), WAIT);
      // Long enough for a clock that stood still to be wrong.
      await new Promise((resolve) => setTimeout(resolve, (CLOCK_SECONDS + 1) * 1000));

      const other = { ...spec({ diskId }), memoryMib: world.memoryMib() + 64, snapshotId };
      await expect(snapshots().resume(other)).rejects.toBeInstanceOf(GuestNeverRan);
      const resumed = stopAfter(await snapshots().resume({ ...spec({ diskId }), snapshotId }));
      const again = await agentOf(resumed);
      expect(again.hello).toMatchObject({ bootId: agent.hello.bootId, isSealed: false });
      await again.wake({ timeUnixMs: Date.now(), seed: seed(), interface: null });
      await expectRightClock(again);
      const after = await attachTo(again, id, before.seen.end);
      await vi.waitFor(() => expect(after.seen.end - before.seen.end).toBeGreaterThan(100_000n), WAIT);
      after.stream.close();
      expect(after.seen.gaps).toEqual([]);
      expect(after.seen.start).toBe(before.seen.end);
      const numbers = [...(before.seen.text + after.seen.text).matchAll(/n(\d+)\r\n/g)].map(([, digits]) =>
        Number(digits),
      );
      expect(numbers.length).toBeGreaterThan(1000);
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      await resumed.stop();
      const twice = await snapshots()
        .resume({ ...spec({ diskId }), snapshotId })
        .catch((error: unknown) => error);
      expect(twice).toMatchObject({ code: "SNAPSHOT_CORRUPT" });
      expect(twice).not.toBeInstanceOf(GuestNeverRan);
      expect((await snapshots().removeSnapshot(snapshotId)).bytes).toBeGreaterThan(0);
      expect(await snapshots().removeSnapshot(snapshotId)).toEqual({ files: 0, bytes: 0 });
      expect(await snapshots().listSnapshots()).not.toContain(snapshotId);
    },
    SLOW_MS,
  );

  check(
    "what is not there cannot be restored or resumed, and nothing is left of the attempt",
    async () => {
      const missing = spec();
      const restoring = snapshots().restore({ ...missing, template: "0123456789abcdef" });
      await expect(restoring).rejects.toMatchObject({ code: "SNAPSHOT_CORRUPT" });
      const resuming = snapshots().resume({ ...missing, snapshotId: world.newDiskId() });
      await expect(resuming).rejects.toMatchObject({ code: "SNAPSHOT_CORRUPT" });
      expect(await world.driver().leftovers([missing.machineId])).toEqual([]);
    },
    SLOW_MS,
  );

  check(
    "a damaged template is reported as corrupt and removed, while its machines go on",
    async () => {
      const key = await builtTemplate();
      const { machine } = await restore(key);
      const agent = await agentOf(machine);
      await agent.identify(identity());
      await world.damageTemplate(key);
      const given = spec({ environmentId: null });
      const diskId = world.newDiskId();
      const restoring = snapshots()
        .createDiskFrom(key, diskId)
        .then(() => snapshots().restore({ ...given, diskId, template: key }));
      await expect(restoring).rejects.toMatchObject({ code: "SNAPSHOT_CORRUPT" });
      expect(await world.driver().leftovers([given.machineId])).toEqual([]);
      await world.driver().removeDisk(diskId);
      await snapshots().removeTemplate(key);
      await snapshots().removeTemplate(key);
      expect(await snapshots().listTemplates()).not.toContain(key);
      expect(await snapshots().findTemplate(shape())).toEqual({ key, isBuilt: false });
      expect((await runInGuest(agent, ["seq", "3"])).stdout).toBe("1\n2\n3\n");
      template = undefined;
    },
    SLOW_MS,
  );
}
