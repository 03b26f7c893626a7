import { type EnvironmentId, PlatformError } from "@microterm/protocol";
import { describeError } from "../../messages/describe-error.ts";
import { memberAddress } from "../network/member-names.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { AGENT_TIMEOUT_MS, type LiveMachine } from "../state/live-machine.ts";

/** After a stream has ended: until the next one the guest's names fail, and its programs ask again. */
const RETRY_MS = 500;

/** Answers the names that a guest asks for, as long as this process holds its machine, where its network has a policy for them. */
export async function followNames(
  context: EnvironmentContext,
  row: { readonly id: EnvironmentId },
  live: LiveMachine,
): Promise<void> {
  const { clock, log, names, network } = context;
  const { signal } = context.closing;
  const policy = network.names?.(live.machine.id) ?? null;
  if (policy === null || names === null) return;
  const guest = names.open({
    allows: (name) => policy.allows(name),
    admit: (...admitted) => policy.admit(...admitted),
    isOwn: (address) => policy.isOwn?.(address) === true,
    memberAddress: (name) => memberAddress(context, { id: row.id, machineId: live.machine.id }, name),
  });
  context.guestNames.set(row.id, guest);
  const isHeld = (): boolean => !signal.aborted && context.live.get(row.id) === live;
  for (let isFirst = true; isHeld(); isFirst = false) {
    try {
      // A guest that is being saved stands still.
      if (live.isReady) {
        await guest.serve(await live.machine.agent({ timeoutMs: AGENT_TIMEOUT_MS, signal }), { signal });
      }
    } catch (error) {
      if (isFirst && isHeld()) {
        log.warn("a guest's names are not answered", { environment: row.id, error: describeError(error) });
      }
      // An agent of before there were names.
      if (error instanceof PlatformError && error.code === "UNSUPPORTED") break;
    }
    await clock.sleep(RETRY_MS, signal).catch(() => {});
  }
  if (context.guestNames.get(row.id) === guest) context.guestNames.delete(row.id);
}
