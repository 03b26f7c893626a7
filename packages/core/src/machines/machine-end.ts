import { PlatformError } from "@microterm/protocol";
import type { Machine, MachineEnd } from "../ports/vm-driver.ts";

/** Whether an `adopt` says that there is no machine any more, rather than that it cannot be told now. */
export function isDead(error: unknown): boolean {
  return error instanceof PlatformError && error.code === "MACHINE_BOOT_FAILED";
}

/** A machine that ended while something was done to it. */
export class MachineEnded extends PlatformError {
  readonly kind: MachineEnd["kind"];

  constructor(what: string, { kind, reason }: MachineEnd) {
    super("MACHINE_BOOT_FAILED", `${what}: ${reason}`);
    this.kind = kind;
  }
}

/** Rejects with `what` and the reason when the machine ends, for a race with what is done to it; it need not be handled. */
export function rejectOnEnd(machine: Machine, what: string): Promise<never> {
  const ended = machine.ended.then((end): never => {
    throw new MachineEnded(what, end);
  });
  ended.catch(() => {});
  return ended;
}
