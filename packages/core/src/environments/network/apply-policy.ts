import type { MachineId } from "@microterm/protocol";
import { SYSTEM } from "../../access/actor.ts";
import { describeError } from "../../messages/describe-error.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { keepFollowing } from "../state/keep-following.ts";
import { effectiveAt } from "./policy-plan.ts";

/**
 * Has a machine's network follow its environment's policy, also when the time of a rule is over. Rejects when the policy cannot be
 * set now; the machine then has the one of before, which is none for a new machine.
 */
export function applyPolicy(
  context: EnvironmentContext,
  { id }: Pick<EnvironmentRow, "id">,
  machineId: MachineId,
): Promise<void> {
  return context.networkTurns.run(id, async () => {
    const row = await context.rows.get(id, SYSTEM);
    if (row?.machineId === machineId) await setPolicy(context, row, machineId);
  });
}

/** The same within `networkTurns.run`, for a row that was just read or written. */
export async function setPolicy(
  context: EnvironmentContext,
  { id, network }: Pick<EnvironmentRow, "id" | "network">,
  machineId: MachineId,
): Promise<void> {
  // Without an interface there is nothing to allow.
  if (network === null) return;
  const { policy, nextAt } = effectiveAt(network, context.clock.now());
  await context.network.setPolicy(machineId, policy);
  // Its machine may have ended meanwhile.
  if (context.live.get(id)?.machine.id !== machineId) return;
  context.networkTurns.schedule(id, nextAt, context.closing.signal, () => {
    context.log.info("the time of a rule of a network policy is over", { environment: id });
    keepApplying(context, { id }, machineId);
  });
}

/** For a machine whose network may have another policy than its row: it was taken over, or changed while nobody set it. */
export async function reapplyPolicy(
  context: EnvironmentContext,
  row: Pick<EnvironmentRow, "id">,
  machineId: MachineId,
): Promise<void> {
  try {
    await applyPolicy(context, row, machineId);
  } catch (error) {
    context.log.warn("a network policy could not be set and is tried again", {
      environment: row.id,
      error: describeError(error),
    });
    keepApplying(context, row, machineId);
  }
}

/** As long as this process holds the machine. */
function keepApplying(context: EnvironmentContext, row: Pick<EnvironmentRow, "id">, machineId: MachineId): void {
  const { live } = context;
  void keepFollowing(context, row.id, "setting a network policy", async () => {
    if (live.get(row.id)?.machine.id === machineId) await applyPolicy(context, row, machineId);
  });
}
