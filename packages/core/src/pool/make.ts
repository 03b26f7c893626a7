import { type MachineId, SIZES, type Size, type Terminal } from "@microterm/protocol";
import { toTerminal } from "../environments/first-terminal.ts";
import type { Foundation } from "../environments/foundation.ts";
import { bootIdentity } from "../environments/identity.ts";
import { releaseMachine } from "../environments/machines.ts";
import type { Machine, VmSnapshots } from "../ports/vm-driver.ts";
import { openPrompt } from "../templates/guest.ts";
import { settled, withDeadline } from "../time/deadline.ts";
import { describeError } from "../words/words.ts";

const MAKE_MS = 60_000;
const SETTLE_MS = 10_000;

/** A machine that waits to become somebody's: restored, itself, at its first prompt. */
export interface PooledMachine {
  /** Its host name, which its prompt shows: that of the environment whose owner leaves the choice to the server. */
  readonly name: string;
  readonly machine: Machine;
  readonly diskId: string;
  readonly terminals: readonly Terminal[];
}

export interface MakePooled {
  readonly name: string;
  readonly snapshots: VmSnapshots;
  readonly size: Size;
  readonly template: string;
  readonly machineId: MachineId;
  readonly signal: AbortSignal;
}

/**
 * Restores a machine, makes it itself and opens its first terminal, up to the first bytes of its prompt. Its disk has
 * its name. When it rejects nothing is left; when `signal` aborts, all is left as it stands.
 */
export async function makePooled(foundation: Foundation, wish: MakePooled): Promise<PooledMachine> {
  const { driver, network, clock, faults } = foundation;
  const { name, snapshots, template, machineId } = wish;
  const { memoryMib, cpus } = SIZES[wish.size];
  const diskId = machineId as string;
  let restoring: Promise<Machine> | null = null;
  let machine: Machine | null = null;
  const error = () => new Error(`a machine of the pool was not ready after ${MAKE_MS / 1000} s`);
  try {
    return await withDeadline({ clock, timeoutMs: MAKE_MS, error, signal: wish.signal }, async (signal) => {
      await snapshots.createDiskFrom(template, diskId);
      await network.attach(machineId);
      signal.throwIfAborted();
      restoring = snapshots.restore({ machineId, memoryMib, cpus, diskId, environmentId: null, template }, { signal });
      machine = await restoring;
      signal.throwIfAborted();
      faults.hit("pool.machine");
      const agent = await machine.agent({ timeoutMs: MAKE_MS, signal });
      await agent.identify(bootIdentity(foundation, { diskId, name }), { signal });
      return { name, machine, diskId, terminals: [toTerminal(await openPrompt(foundation, agent, signal))] };
    });
  } catch (cause) {
    if (restoring !== null) await settled(clock, SETTLE_MS, restoring);
    const held = machine as Machine | null;
    if (wish.signal.aborted) held?.release();
    else {
      await releaseMachine(foundation, machineId, held ?? undefined)
        .then(() => driver.removeDisk(diskId))
        .catch((left: unknown) => {
          foundation.log.error("a machine of the pool is left behind", {
            machine: machineId,
            error: describeError(left),
          });
        });
    }
    throw cause;
  }
}
