import type { Overcommit } from "@microterm/protocol";
import type { HostResources, VmDriver } from "../../ports/vm-driver.ts";
import type { EnvironmentLimits } from "../limits.ts";
import { couldFit, cpuShortage, diskShortage, memoryPromised, memoryShortage, shortageOf } from "./shortages.ts";

/** What is about to be taken of the host. */
export interface Demand {
  readonly memoryMib: number;
  readonly cpus: number;
  /** 0 when the disk is there already or the driver has none. */
  readonly diskMib: number;
}

/** Memory and CPUs of a machine that runs, or is being started: used or not, they are promised to it. */
export interface PromisedMachine {
  /** An environment's id, or whatever else names who asked. */
  readonly holder: string;
  readonly driver: VmDriver;
  readonly memoryMib: number;
  readonly cpus: number;
}

/** Keeps what the host has no room for from being begun. */
export interface Admission {
  /**
   * Resolves when the host has room beside all else that is being started now and all that was promised before, and holds the room
   * until `release`. `id` is an environment's, or whatever else names who asks; that of a new disk's, where there is one. Rejects with
   * `HOST_OUT_OF_MEMORY`, `HOST_OUT_OF_CPUS` or `HOST_OUT_OF_DISK`.
   */
  reserve(driver: VmDriver, id: string, demand: Demand): Promise<void>;
  /** The same for a file of a driver's, such as saved memory. */
  reserveDisk(driver: VmDriver, id: string, diskMib: number): Promise<void>;
  /** Safe to repeat. Once a machine runs, or has failed, what it takes shows in the host's own figures. */
  release(id: string): void;
}

export interface AdmissionOptions {
  readonly limits: EnvironmentLimits;
  readonly overcommit: Overcommit;
  readonly promised: () => Promise<readonly PromisedMachine[]>;
}

interface Reservation {
  readonly driver: VmDriver;
  /** With what its VMM takes; 0: it is no machine. */
  readonly memoryMib: number;
  readonly cpus: number;
  readonly diskMib: number;
}

interface Asked {
  readonly driver: VmDriver;
  readonly id: string;
  readonly need: Demand;
}

const total = (numbers: Iterable<number>): number => [...numbers].reduce((sum, one) => sum + one, 0);
const withOverhead = (driver: VmDriver, demand: { readonly memoryMib: number; readonly cpus: number }): number =>
  demand.memoryMib + driver.capabilities.overheadMib(demand);

export function createAdmission({ limits, overcommit, promised }: AdmissionOptions): Admission {
  const reserved = new Map<string, Reservation>();
  let turn: Promise<unknown> = Promise.resolve();

  /** Those of the same host, but for what `id` holds already: asked for again, it takes the place of that. */
  const others = (driver: VmDriver, id: string): readonly (readonly [string, Reservation])[] =>
    [...reserved].filter(([holder, one]) => holder !== id && one.driver.host === driver.host);

  async function assertMachine(asked: Asked, { memory, cpus }: HostResources): Promise<void> {
    const { driver, id, need } = asked;
    const starting = others(driver, id);
    if (memory !== null) {
      const freeMib = memory.availableMib - limits.memoryReserveMib - total(starting.map(([, one]) => one.memoryMib));
      if (need.memoryMib > freeMib) throw memoryShortage(need.memoryMib, freeMib);
    }
    if (memory === null && cpus === null) return;
    const running = (await promised()).filter((one) => one.driver.host === driver.host && one.holder !== id);
    // A driver knows what its VMMs take once it has asked its host.
    for (const other of new Set(running.map((one) => one.driver))) if (other !== driver) await other.resources();
    const known = new Set(running.map(({ holder }) => holder));
    const rest = starting.filter(([holder]) => !known.has(holder)).map(([, one]) => one);
    const promisedMib = total([
      ...running.map((one) => withOverhead(one.driver, one)),
      ...rest.map((one) => one.memoryMib),
    ]);
    if (memory !== null && need.memoryMib + promisedMib > memory.totalMib * overcommit.memory) {
      throw memoryPromised({ neededMib: need.memoryMib, promisedMib, totalMib: memory.totalMib }, overcommit.memory);
    }
    const promisedCpus = total([...running, ...rest].map((one) => one.cpus));
    if (cpus !== null && need.cpus + promisedCpus > cpus * overcommit.cpu) {
      throw cpuShortage({ neededCpus: need.cpus, promisedCpus, totalCpus: cpus }, overcommit.cpu);
    }
  }

  async function assertDisk({ driver, id, need }: Asked, { disk }: HostResources): Promise<void> {
    if (disk === null) return;
    const disks = (await driver.listDisks()).filter((one) => one.diskId !== id);
    const known = new Set(disks.map(({ diskId }) => diskId));
    const making = others(driver, id).filter(([holder]) => !known.has(holder));
    const promisedMib = total([...disks.map((one) => one.unwrittenMib), ...making.map(([, one]) => one.diskMib)]);
    const freeMib = disk.freeMib - limits.diskReserveMib;
    // Each must fit by itself, whatever may be promised to all.
    if (need.diskMib > freeMib || need.diskMib + promisedMib > freeMib * overcommit.disk) {
      throw diskShortage({ neededMib: need.diskMib, freeMib, promisedMib }, overcommit.disk);
    }
  }

  async function decide(driver: VmDriver, id: string, demand: Demand): Promise<void> {
    const resources = await driver.resources();
    const isMachine = demand.cpus > 0;
    const need = isMachine ? { ...demand, memoryMib: withOverhead(driver, demand) } : demand;
    const asked = { driver, id, need };
    if (isMachine) await assertMachine(asked, resources);
    if (need.diskMib > 0) await assertDisk(asked, resources);
    // What is placed elsewhere takes nothing from those that are placed here.
    if (resources.memory !== null || resources.disk !== null) reserved.set(id, { driver, ...need });
  }

  /** One at a time: two that are asked at once must not both be given the last room. */
  function inTurn(run: () => Promise<void>): Promise<void> {
    const decided = turn.then(run);
    turn = decided.catch(() => {});
    return decided;
  }

  return {
    reserve: (driver, id, demand) => inTurn(() => decide(driver, id, demand)),
    reserveDisk: (driver, id, diskMib) => inTurn(() => decide(driver, id, { memoryMib: 0, cpus: 0, diskMib })),
    release(id) {
      reserved.delete(id);
    },
  };
}

/** Room on the host for what a user waits for; machines of the pool are evicted for it, one after another. */
export async function reserveEvictingPool(
  { admission, pool }: { readonly admission: Admission; readonly pool: { evict(reason: string): Promise<boolean> } },
  driver: VmDriver,
  id: string,
  demand: Demand,
): Promise<void> {
  for (;;) {
    try {
      return await admission.reserve(driver, id, demand);
    } catch (error) {
      const short = shortageOf(error);
      if (short === null || !couldFit(error) || !(await pool.evict(`the host is low on ${short}`))) throw error;
    }
  }
}
