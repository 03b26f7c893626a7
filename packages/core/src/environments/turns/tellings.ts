import type { EnvironmentId, MachineId } from "@microterm/protocol";
import { Turns } from "./turns.ts";

/**
 * What guests are told, one thing at a time for each environment. A guest takes as long as it likes, up to a deadline: what waits for
 * its turn has read nothing yet and so serves all that ask meanwhile, and a machine's guest is tried again by one at a time.
 */
export class Tellings {
  readonly #turns = new Turns();
  readonly #waiting = new Map<MachineId, Promise<void>>();
  readonly #retried = new Set<MachineId>();

  /** Tells a machine's guest after what it is being told now. `tell` reads what there is to say when its turn has come. */
  run(id: EnvironmentId, machineId: MachineId, tell: () => Promise<void>): Promise<void> {
    const waiting = this.#waiting.get(machineId);
    if (waiting !== undefined) return waiting;
    const own = this.#turns.run(id, () => {
      this.#waiting.delete(machineId);
      return tell();
    });
    this.#waiting.set(machineId, own);
    return own;
  }

  /** Runs `retry`, which tells a machine's guest until that has succeeded, unless one is at it already. */
  async retry(machineId: MachineId, retry: () => Promise<void>): Promise<void> {
    if (this.#retried.has(machineId)) return;
    this.#retried.add(machineId);
    try {
      await retry();
    } finally {
      this.#retried.delete(machineId);
    }
  }
}
