import type { MachineId, NetworkId } from "@microterm/protocol";
import { describeError } from "../../messages/describe-error.ts";
import type { GuestInterface } from "../../ports/network.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { AGENT_TIMEOUT_MS } from "../running/guests.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import type { LiveMachine } from "../state/live-machine.ts";
import { keepFollowing } from "./keep-following.ts";

/**
 * Has a machine that this process holds be in a shared network, or in none, and tells its guest of the address that it has then. Within
 * `policies.run`. Safe to repeat; rejects when either fails.
 */
export async function share(
  context: Pick<EnvironmentContext, "network" | "closing">,
  held: LiveMachine,
  shared: NetworkId | null,
): Promise<void> {
  await tell(context, held, await context.network.share(held.machine.id, shared));
}

async function tell(
  { closing }: Pick<EnvironmentContext, "closing">,
  { machine }: LiveMachine,
  guest: GuestInterface,
): Promise<void> {
  const { signal } = closing;
  const agent = await machine.agent({ timeoutMs: AGENT_TIMEOUT_MS, signal });
  await agent.setNetwork({ interface: guest }, { signal });
}

/** After a change of its network that failed, or may have been cut off at any step. In the background, after what is under way. */
export function reapplyMembership(
  context: EnvironmentContext,
  { id, network }: Pick<EnvironmentRow, "id" | "network">,
  machineId: MachineId,
): void {
  if (network === null) return;
  const { live, policies, rows } = context;
  void keepFollowing(context, id, "setting a shared network", () =>
    policies.run(id, async () => {
      const held = live.get(id);
      const row = await rows.get(id);
      if (held?.machine.id !== machineId || row === null) return;
      const guest = await context.network.share(machineId, row.sharedNetwork);
      await tell(context, held, guest).catch((error: unknown) => {
        if (row.sharedNetwork !== null) throw error;
        // It has known no other address, unless it was just leaving.
        context.log.warn("a guest was not told of its network again", { environment: id, error: describeError(error) });
      });
    }),
  );
}
