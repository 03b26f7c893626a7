import { type MachineId, SIZES, type Size, type Terminal } from "@microterm/protocol";
import { attachNetwork } from "../machines/attach-network.ts";
import { toTerminal } from "../machines/first-terminal.ts";
import { bootIdentity } from "../machines/identity.ts";
import type { MachineContext } from "../machines/machine-context.ts";
import { limitsFor } from "../machines/machine-limits.ts";
import { openPrompt } from "../machines/prompt.ts";
import { releaseMachine } from "../machines/remove-machine.ts";
import { type StartMethod, startMachine } from "../machines/start-method.ts";
import { describeError } from "../messages/describe-error.ts";
import type { NetworkAttachment } from "../ports/network.ts";
import type { Machine, VmDriver } from "../ports/vm-driver.ts";
import { endedWithin, withDeadline } from "../time/deadline.ts";

const MAKE_MS = 60_000;
const RELEASE_TIMEOUT_MS = 10_000;

/** How a machine of the pool comes to life. */
export type PoolMethod = Extract<StartMethod, { readonly kind: "boot" | "restore" }>;

/** A machine that waits to be claimed: restored or booted, itself, at its first prompt. */
export interface PooledMachine {
  /** Its host name, which its prompt shows: that of the environment whose owner leaves the choice to the server. */
  readonly name: string;
  readonly machine: Machine;
  readonly diskId: string;
  readonly attachment: NetworkAttachment;
  readonly terminals: readonly Terminal[];
}

export interface MakePooled {
  readonly name: string;
  readonly driver: VmDriver;
  readonly method: PoolMethod;
  readonly size: Size;
  readonly machineId: MachineId;
  readonly signal: AbortSignal;
}

interface Made {
  /** The driver's call under way, of which something may come. */
  starting: Promise<Machine> | null;
  machine: Machine | null;
}

/**
 * Makes a machine, makes it itself and opens its first terminal, up to the first bytes of its prompt. Its disk has
 * its name. When it rejects nothing is left; when `signal` aborts, all is left as it stands.
 */
export async function makePooled(context: MachineContext, wish: MakePooled): Promise<PooledMachine> {
  const { clock, faults } = context;
  const { name, driver, method, machineId } = wish;
  const { memoryMib, cpus, diskMib } = SIZES[wish.size];
  const hasDisk = driver.capabilities.supportsDisk;
  const limits = limitsFor(driver, { cpus });
  const diskId = machineId as string;
  const made: Made = { starting: null, machine: null };
  const error = (seconds: number) => new Error(`a machine of the pool was not ready after ${seconds} s`);
  try {
    return await withDeadline({ clock, timeoutMs: MAKE_MS, error, signal: wish.signal }, async (signal) => {
      if (method.kind === "restore") await method.snapshots.createDiskFrom(method.template, diskId);
      else if (hasDisk) await driver.createDisk(diskId, { sizeMib: diskMib });
      const attachment = await attachNetwork(context, driver, machineId);
      signal.throwIfAborted();
      const size = { memoryMib, cpus, diskId: hasDisk ? diskId : null };
      const spec = { machineId, ...size, environmentId: null, network: attachment.link, limits };
      made.starting = startMachine(driver, method, spec, signal);
      const machine = await made.starting;
      made.machine = machine;
      signal.throwIfAborted();
      faults.hit("pool.machine");
      const agent = await machine.agent({ timeoutMs: MAKE_MS, signal });
      await agent.identify(bootIdentity(context, { diskId, name, network: attachment }), { signal });
      return { name, machine, diskId, attachment, terminals: [toTerminal(await openPrompt(context, agent, signal))] };
    });
  } catch (cause) {
    if (made.starting !== null) await endedWithin(clock, RELEASE_TIMEOUT_MS, made.starting);
    if (wish.signal.aborted) made.machine?.release();
    else {
      await releaseMachine(context, driver, { id: machineId, held: made.machine })
        .then(() => driver.removeDisk(diskId))
        .catch((left: unknown) => {
          context.log.error("a machine of the pool is left behind", {
            machine: machineId,
            error: describeError(left),
          });
        });
    }
    throw cause;
  }
}
