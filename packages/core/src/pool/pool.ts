import { DEFAULT_SIZE, type HostStatus, MachineId, PlatformError, SIZES, type Size } from "@microterm/protocol";
import { shortageOf } from "../machines/admission/shortages.ts";
import type { MachineContext } from "../machines/machine-context.ts";
import { randomName } from "../machines/names.ts";
import { releaseMachine } from "../machines/remove-machine.ts";
import { describeError } from "../messages/describe-error.ts";
import type { VmDriver } from "../ports/vm-driver.ts";
import type { Templates } from "../templates/templates.ts";
import { nap } from "../time/nap.ts";
import { createWakeup } from "../time/wakeup.ts";
import { makePooled, type PooledMachine, type PoolMethod } from "./make.ts";

export type PoolStatus = HostStatus["pool"];

/** Machines of the default size, ready to be claimed. In memory only: a restarted server begins with none. */
export interface Pool {
  /** The name of a machine of that size that no other caller was given; null when there is none. */
  offerName(size: Size): string | null;
  /** The one of that name, else the oldest of that size, now the caller's; null when there is none. */
  take(size: Size, name: string): PooledMachine | null;
  /** What was taken is an environment's, whose row says so. */
  claimed(pooled: PooledMachine): void;
  /** Whether `take` would answer. */
  has(size: Size): boolean;
  /** Removes what was taken and is of no use. Never rejects. */
  discard(pooled: PooledMachine, reason: string): Promise<void>;
  /** Removes a machine, because what it holds of the host is needed now. False when there is none to give. */
  evict(reason: string): Promise<boolean>;
  status(): PoolStatus;
  /** Fills it in the background until `closing`, and refills it. Once, after the recovery. */
  begin(): void;
  /** Disconnects from its machines and leaves them running; those that were booted ahead are removed, where no peer does. Never rejects. */
  close(): Promise<void>;
}

/** Before templates of other sizes. */
const RANK = 0;
/** After machines that could not be made, or that died: at most one a minute in the end. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** One that has lived for so long has not died of how it was made. */
const STABLE_MS = 60_000;
/** What was given back is used elsewhere for a while. */
const SHORTAGE_MS = 30_000;
/** How often the host's memory is looked at while machines wait. */
const WATCH_MS = 15_000;

export interface PoolOptions {
  readonly driver: VmDriver;
  readonly templates: Templates;
  readonly wanted: number;
}

export function createPool(context: MachineContext, { driver, templates, wanted }: PoolOptions): Pool {
  const { snapshots, capabilities } = driver;
  const isFilled = wanted > 0 && (snapshots !== null || capabilities.bootsAhead);
  const { clock, fleet, log, scheduler, closing, limits } = context;
  const { signal } = closing;
  const size = DEFAULT_SIZE;
  const ready: PooledMachine[] = [];
  const offered = new Set<string>();
  let reason: string | null = null;
  let failures = 0;
  let notBefore = 0;
  let watchedAt = 0;
  const wakeup = createWakeup();

  /** How one is made now; null: its template is not there yet, or there is no pool. */
  function methodNow(): PoolMethod | null {
    if (snapshots === null) return isFilled ? { kind: "boot" } : null;
    const template = templates.keyOf(size);
    return template === null ? null : { kind: "restore", size, template, snapshots };
  }

  function backOff(why: string, ms: number): void {
    reason = why;
    notBefore = Math.max(notBefore, clock.now() + ms);
  }

  function failed(why: string): void {
    log.warn("a machine of the pool failed", { reason: why, failures });
    backOff(why, Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++));
  }

  async function discard({ name, machine, diskId }: PooledMachine, why: string): Promise<void> {
    offered.delete(name);
    log.info("a machine of the pool is removed", { machine: machine.id, reason: why });
    try {
      await releaseMachine(context, driver, { id: machine.id, held: machine });
      await driver.removeDisk(diskId);
      await forget(machine.id);
    } catch (error) {
      log.error("a machine of the pool is left behind", { machine: machine.id, error: describeError(error) });
    }
  }

  /** It waits here no longer. One that goes on being noted is spared by recoveries until this server ends. */
  async function forget(machineId: MachineId): Promise<void> {
    await fleet.pooled.remove(machineId).catch((error: unknown) => {
      log.warn("a machine is still noted as one of the pool", { machine: machineId, error: describeError(error) });
    });
  }

  function keep(pooled: PooledMachine): void {
    const bornAt = clock.now();
    ready.push(pooled);
    void pooled.machine.ended.then(async (end) => {
      const at = ready.indexOf(pooled);
      if (at < 0 || signal.aborted) return;
      ready.splice(at, 1);
      if (clock.now() - bornAt > STABLE_MS) failures = 0;
      failed(`a waiting machine ended: ${describeError(end.reason)}`);
      wakeup.wake();
      await discard(pooled, end.reason);
    });
  }

  async function fillOne(): Promise<void> {
    const method = methodNow();
    if (method === null || ready.length >= wanted) return;
    const machineId = MachineId.parse(context.random.id(16));
    const name = randomName(context.random, 0);
    try {
      await context.admission.reserve(driver, machineId, SIZES[size]);
      // Before it is made: no recovery of a peer takes it for unowned.
      await fleet.pooled.add(machineId);
      keep(await makePooled(context, { name, driver, method, size, machineId, signal }));
      failures = 0;
      reason = null;
    } catch (error) {
      if (signal.aborted) throw error;
      await forget(machineId);
      const why = describeError(error);
      const code = error instanceof PlatformError ? error.code : null;
      if (shortageOf(error) !== null) backOff(why, SHORTAGE_MS);
      else if (code === "SNAPSHOT_CORRUPT" && method.kind === "restore")
        await templates.broken(size, method.template, why);
      else failed(why);
    } finally {
      context.admission.release(machineId);
    }
  }

  async function evict(why: string): Promise<boolean> {
    const pooled = ready.pop();
    if (pooled === undefined) return false;
    backOff(why, SHORTAGE_MS);
    await discard(pooled, why);
    return true;
  }

  async function shrink(): Promise<void> {
    // Woken by a claim, it stays out of the way of who claimed.
    if (ready.length === 0 || clock.now() < watchedAt + WATCH_MS) return;
    watchedAt = clock.now();
    const { memory } = await driver.resources();
    if (memory !== null && memory.availableMib < limits.memoryReserveMib) await evict("the host is low on memory");
  }

  async function sleep(ms: number): Promise<void> {
    await nap({ clock, ms, woken: wakeup.next(), signal });
  }

  async function work(): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const waitMs = notBefore - clock.now();
      if (waitMs <= 0 && ready.length < wanted && methodNow() !== null) {
        await scheduler.background(signal, RANK, fillOne);
        continue;
      }
      await sleep(waitMs > 0 ? Math.min(waitMs, WATCH_MS) : WATCH_MS);
      await shrink();
    }
  }

  return {
    offerName(asked) {
      const free = asked === size ? ready.find(({ name }) => !offered.has(name)) : undefined;
      if (free === undefined) return null;
      offered.add(free.name);
      return free.name;
    },
    take(asked, name) {
      if (asked !== size) return null;
      const named = ready.findIndex((one) => one.name === name);
      // Those whose name another create was given come last.
      const free = named >= 0 ? named : ready.findIndex((one) => !offered.has(one.name));
      const at = Math.max(0, free);
      const [taken = null] = ready.splice(at, 1);
      if (taken !== null) {
        offered.delete(taken.name);
        wakeup.wake();
      }
      return taken;
    },
    claimed: ({ machine }) => void forget(machine.id),
    has: (asked) => asked === size && ready.length > 0,
    discard,
    evict,
    status: () => ({
      wanted: isFilled ? wanted : 0,
      ready: ready.length,
      reason: ready.length >= wanted || !isFilled ? null : (reason ?? why(methodNow(), size)),
    }),
    begin() {
      if (!isFilled) return;
      templates.onReady(() => wakeup.wake());
      void (async () => {
        for (;;) {
          try {
            await work();
          } catch (error) {
            if (signal.aborted) return;
            failed(describeError(error));
          }
        }
      })();
    },
    async close() {
      const left = ready.splice(0);
      // Peers remove what waits in nobody's pool: those that wait for this server's environments need not wait for its pool.
      const isRemovedHere = capabilities.bootsAhead && fleet.peers().length === 0;
      if (isRemovedHere) await Promise.all(left.map((pooled) => discard(pooled, "the server shuts down")));
      else for (const { machine } of left) machine.release();
    },
  };
}

function why(method: PoolMethod | null, size: Size): string {
  return method === null ? `the template of size ${size} is not built yet` : "it is being filled";
}
