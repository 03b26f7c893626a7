import { type MachineId, SIZES, type Size, type Terminal } from "@microterm/protocol";
import { attachNetwork } from "../machines/attach-network.ts";
import { toTerminal } from "../machines/first-terminal.ts";
import { bootIdentity } from "../machines/identity.ts";
import type { MachineContext } from "../machines/machine-context.ts";
import { limitsFor } from "../machines/machine-limits.ts";
import { openPrompt } from "../machines/prompt.ts";
import { releaseMachine } from "../machines/remove-machine.ts";
import { describeError } from "../messages/describe-error.ts";
import type { NetworkAttachment } from "../ports/network.ts";
import type { Machine, VmDriver, VmSnapshots } from "../ports/vm-driver.ts";
import { endedWithin, withDeadline } from "../time/deadline.ts";

const MAKE_MS = 60_000;
const RELEASE_TIMEOUT_MS = 10_000;

/** A machine that waits to be claimed: restored, itself, at its first prompt. */
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
  readonly snapshots: VmSnapshots;
  readonly size: Size;
  readonly template: string;
  readonly machineId: MachineId;
  readonly signal: AbortSignal;
}

interface Made {
  /** The driver's call under way, of which something may come. */
  restoring: Promise<Machine> | null;
  machine: Machine | null;
}

/**
 * Restores a machine, makes it itself and opens its first terminal, up to the first bytes of its prompt. Its disk has
 * its name. When it rejects nothing is left; when `signal` aborts, all is left as it stands.
 */
export async function makePooled(context: MachineContext, wish: MakePooled): Promise<PooledMachine> {
  const { clock, faults } = context;
  const { name, driver, snapshots, template, machineId } = wish;
  const { memoryMib, cpus } = SIZES[wish.size];
  const limits = limitsFor(driver, { cpus });
  const diskId = machineId as string;
  const made: Made = { restoring: null, machine: null };
  const error = (seconds: number) => new Error(`a machine of the pool was not ready after ${seconds} s`);
  try {
    return await withDeadline({ clock, timeoutMs: MAKE_MS, error, signal: wish.signal }, async (signal) => {
      await snapshots.createDiskFrom(template, diskId);
      const attachment = await attachNetwork(context, driver, machineId);
      signal.throwIfAborted();
      made.restoring = snapshots.restore(
        { machineId, memoryMib, cpus, diskId, environmentId: null, network: attachment.link, limits, template },
        { signal },
      );
      const machine = await made.restoring;
      made.machine = machine;
      signal.throwIfAborted();
      faults.hit("pool.machine");
      const agent = await machine.agent({ timeoutMs: MAKE_MS, signal });
      await agent.identify(bootIdentity(context, { diskId, name, network: attachment }), { signal });
      return { name, machine, diskId, attachment, terminals: [toTerminal(await openPrompt(context, agent, signal))] };
    });
  } catch (cause) {
    if (made.restoring !== null) await endedWithin(clock, RELEASE_TIMEOUT_MS, made.restoring);
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
