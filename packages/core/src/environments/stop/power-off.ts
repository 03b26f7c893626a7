import type { MachineContext } from "../../machines/machine-context.ts";
import { describeError } from "../../messages/describe-error.ts";
import type { Machine } from "../../ports/vm-driver.ts";
import { withDeadline } from "../../time/deadline.ts";

/** Asks the guest to power off and resolves when it has, or at the deadline. Never rejects. */
export async function powerOff(
  { clock, limits, log }: Pick<MachineContext, "clock" | "limits" | "log">,
  machine: Machine,
  outer: AbortSignal,
): Promise<void> {
  const timeoutMs = limits.powerOffDeadlineMs;
  const error = (seconds: number) => new Error(`the guest did not power off within ${seconds} s`);
  try {
    await withDeadline({ clock, timeoutMs, error, signal: outer }, async (signal) => {
      const asking = machine.agent({ timeoutMs, signal }).then((agent) => agent.powerOff({ signal }));
      await Promise.race([machine.ended, asking.then(() => machine.ended)]);
    });
  } catch (error) {
    log.warn("the guest is killed instead of powered off", { machine: machine.id, error: describeError(error) });
  }
}
