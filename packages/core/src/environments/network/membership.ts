import type { EnvironmentId, MachineId } from "@microterm/protocol";
import { SYSTEM } from "../../access/actor.ts";
import { describeError } from "../../messages/describe-error.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { keepFollowing } from "../state/keep-following.ts";
import { AGENT_TIMEOUT_MS } from "../state/live-machine.ts";

type Followed = Pick<EnvironmentRow, "id" | "network">;

/**
 * Has the machine of an environment be in the network that its row names, and its guest be told of the address that it has then. The
 * guest has its time outside of the network's turns: one that does not answer keeps nobody from changing what it reaches.
 */
async function follow(context: EnvironmentContext, id: EnvironmentId, machineId: MachineId): Promise<void> {
  const { closing, live, network, networkTurns, rows, tellings } = context;
  await tellings.run(id, machineId, async () => {
    const guest = await networkTurns.run(id, async () => {
      const row = await rows.get(id, SYSTEM);
      if (live.get(id)?.machine.id !== machineId || row === null) return null;
      return network.share(machineId, row.sharedNetwork);
    });
    const held = live.get(id);
    if (guest === null || held?.machine.id !== machineId) return;
    const { signal } = closing;
    const agent = await held.machine.agent({ timeoutMs: AGENT_TIMEOUT_MS, signal });
    await agent.setNetwork({ interface: guest }, { signal });
  });
}

/** Has the guest of a machine whose network was changed be told, now or, where that fails, as soon as it can be: it has no say in it. */
export async function tellGuest(context: EnvironmentContext, row: Followed, machineId: MachineId): Promise<void> {
  await follow(context, row.id, machineId).catch((error: unknown) => {
    context.log.warn("a guest was not told of its network yet", { environment: row.id, error: describeError(error) });
    void context.tellings.retry(machineId, () => keepMember(context, row.id, machineId));
  });
}

/** After a change of its network that failed, or may have been cut off at any step. In the background, after what is under way. */
export function reapplyMembership(context: EnvironmentContext, { id, network }: Followed, machineId: MachineId): void {
  if (network === null || !context.network.capabilities.supportsSharedNetworks) return;
  void keepMember(context, id, machineId);
}

function keepMember(context: EnvironmentContext, id: EnvironmentId, machineId: MachineId): Promise<void> {
  return keepFollowing(context, id, "setting a shared network", () => follow(context, id, machineId));
}
