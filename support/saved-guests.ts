import { randomBytes } from "node:crypto";
import type { GuestAgent, GuestIdentity, Machine, MachineSpec, VmDriver, VmSnapshots } from "@microterm/core";
import { attachTo, type OpenedTerminal, runInGuest } from "@microterm/core/testing";
import { MachineId, TerminalId } from "@microterm/protocol";
import { expect, vi } from "vitest";
import { scanMachines } from "./host-scan.ts";
import type { TestDaemon } from "./test-daemon.ts";

const MEMORY_MIB = 192;
const DISK_MIB = 64;
const BOOT_MS = 15_000;
/** For what a guest prints, in ms: the lab's are emulated twice. */
const WAIT = { timeout: 120_000, interval: 20 };

const newId = (): string => randomBytes(8).toString("hex");

/** A guest that runs, with a file and a terminal's variable that tell whether it is the one that it was. */
export interface SavedGuest {
  readonly spec: MachineSpec & { readonly diskId: string };
  readonly machine: Machine;
  readonly terminal: OpenedTerminal;
}

/** Guests of one driver over a test's daemon: most are restored from one template, which takes less than a boot. */
export class SavedGuests {
  readonly driver: VmDriver;
  readonly snapshots: VmSnapshots;
  readonly #daemon: TestDaemon;
  /** Of machines, disks and pauses, of which nothing may be left. */
  readonly #ids: string[] = [];
  #template = "";

  constructor(daemon: TestDaemon, driver: VmDriver) {
    if (driver.snapshots === null) throw new Error("the driver has no snapshots");
    this.#daemon = daemon;
    this.driver = driver;
    this.snapshots = driver.snapshots;
  }

  get template(): string {
    return this.#template;
  }

  newId(): string {
    const id = newId();
    this.#ids.push(id);
    return id;
  }

  spec(over: Partial<MachineSpec> = {}): MachineSpec {
    const machineId = MachineId.parse(this.newId());
    const size = { memoryMib: MEMORY_MIB, cpus: 1 };
    return { machineId, ...size, diskId: null, environmentId: null, network: null, limits: null, ...over };
  }

  agentOf(machine: Machine): Promise<GuestAgent> {
    return machine.agent({ timeoutMs: BOOT_MS });
  }

  /** What a command of the guest's printed; it must succeed. */
  async run(machine: Machine, script: string): Promise<string> {
    const { stdout, stderr, exit } = await runInGuest(await this.agentOf(machine), ["sh", "-c", script]);
    expect({ stderr, exit }).toMatchObject({ exit: { code: 0 } });
    return stdout;
  }

  /** Boots a guest, seals it and asks for the template. What comes of that is the caller's to see. */
  async saveTemplate(): Promise<void> {
    const { key } = await this.snapshots.findTemplate({ memoryMib: MEMORY_MIB, cpus: 1, diskMib: DISK_MIB });
    this.#template = key;
    const diskId = this.newId();
    await this.driver.createDisk(diskId, { sizeMib: DISK_MIB });
    const machine = await this.driver.boot(this.spec({ diskId, isTemplateSource: true }));
    try {
      await (await this.agentOf(machine)).seal();
      await this.snapshots.saveTemplate(machine.id, key);
    } finally {
      await machine.stop();
      await this.driver.removeDisk(diskId);
    }
  }

  /** A spec with a disk of the template's. */
  async specWithDisk(): Promise<SavedGuest["spec"]> {
    const diskId = this.newId();
    await this.snapshots.createDiskFrom(this.#template, diskId);
    return { ...this.spec(), diskId };
  }

  async restore(): Promise<SavedGuest> {
    const spec = await this.specWithDisk();
    const machine = await this.snapshots.restore({ ...spec, template: this.#template });
    const agent = await this.agentOf(machine);
    await agent.identify(identity());
    return { spec, machine, terminal: await openTerminal(agent) };
  }

  /** Slower than a restore, and the only way where the template cannot be used. */
  async boot(diskId?: string): Promise<SavedGuest> {
    const spec = { ...this.spec(), diskId: diskId ?? this.newId() };
    if (diskId === undefined) await this.driver.createDisk(spec.diskId, { sizeMib: DISK_MIB });
    const machine = await this.driver.boot(spec);
    return { spec, machine, terminal: await openTerminal(await this.agentOf(machine)) };
  }

  /** Goes on from a pause, at the very byte where its terminal was. */
  async resume(guest: SavedGuest, snapshotId: string): Promise<SavedGuest> {
    const spec = { ...guest.spec, machineId: MachineId.parse(this.newId()) };
    const machine = await this.snapshots.resume({ ...spec, snapshotId });
    const agent = await this.agentOf(machine);
    await agent.wake({ timeUnixMs: Date.now(), seed: randomBytes(64), interface: null });
    return { spec, machine, terminal: await reattach(agent, guest.terminal) };
  }

  /** The same guest goes on, beside a driver or a daemon that may be another. */
  async expectOn(guest: SavedGuest): Promise<SavedGuest> {
    const terminal = await reattach(await this.agentOf(guest.machine), guest.terminal);
    return { ...guest, terminal };
  }

  /** Ends a guest, alive or not, with its disk. */
  async end({ spec, machine }: Pick<SavedGuest, "spec" | "machine">): Promise<void> {
    await machine.stop();
    await this.driver.removeDisk(spec.diskId);
  }

  /** By the daemon's own search and by the tests'. */
  async expectNothingLeft(): Promise<void> {
    expect(await this.driver.leftovers(this.#ids)).toEqual([]);
    expect(await scanMachines(this.#daemon, this.#ids)).toEqual([]);
    expect(await this.driver.list()).toEqual([]);
    expect(await this.snapshots.listSnapshots()).toEqual([]);
  }
}

function identity(): GuestIdentity {
  return {
    hostname: "microterm",
    machineId: randomBytes(16).toString("hex"),
    timeUnixMs: Date.now(),
    seed: randomBytes(64),
    environment: "",
    interface: null,
  };
}

async function openTerminal(agent: GuestAgent): Promise<OpenedTerminal> {
  const { id } = await agent.openTerminal({ id: TerminalId.parse("main"), cols: 80, rows: 24, command: ["sh"] });
  const terminal = await attachTo(agent, id);
  terminal.type("kept=kept; n=0; echo is-$kept\n");
  await vi.waitFor(() => expect(terminal.seen.text).toMatch(/is-kept\r\n.*[$#] $/s), WAIT);
  return terminal;
}

/** Attaches where another attachment has ended: not a byte is missing, and the shell has its variables. */
async function reattach(agent: GuestAgent, before: OpenedTerminal): Promise<OpenedTerminal> {
  // What comes now, the first may get as well.
  const from = before.seen.end;
  const after = await attachTo(agent, before.id, from);
  after.type("n=$((n + 1)); echo on-$kept-$n\n");
  await vi.waitFor(() => expect(after.seen.text).toMatch(/on-kept-\d+\r\n.*[$#] $/s), WAIT);
  expect(after.seen.start).toBe(from);
  expect(after.seen.gaps).toEqual([]);
  return after;
}
