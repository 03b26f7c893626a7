import { type MachineId, PlatformError } from "@microterm/protocol";
import { SYSTEM } from "../../access/actor.ts";
import { isDead } from "../../machines/machine-end.ts";
import { limitsFor } from "../../machines/machine-limits.ts";
import { releaseMachine } from "../../machines/remove-machine.ts";
import { describeError } from "../../messages/describe-error.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { reapplyPolicy } from "../network/apply-policy.ts";
import { reapplyMembership } from "../network/membership.ts";
import { watch } from "../running/watch.ts";
import type { RecoveryReport } from "../service/environment-service.ts";
import { AT_REST } from "../state/at-rest.ts";
import { changed, type EnvironmentContext } from "../state/environment-context.ts";
import { liveMachine } from "../state/live-machine.ts";
import { retryUntilDone } from "../state/retry.ts";
import type { RowAction } from "./recovery-plan.ts";

/** An adopted guest that answers nothing for this long is reported in the log, and left running: its work may be saved. */
const GREETING_MS = 10_000;

export type Tally = { -readonly [Key in keyof RecoveryReport]: number };

export async function reconcile(
  context: EnvironmentContext,
  row: EnvironmentRow,
  action: Extract<RowAction, { kind: "reconcile" }>,
  report: Tally,
): Promise<void> {
  const { state, reason } = action;
  const gone = state === "paused" ? { machineId: null } : { snapshotId: null };
  const patch = { ...AT_REST, ...gone, ...(reason === undefined ? {} : { reason }) };
  const { operation, machineId } = row;
  if ((await context.rows.transition(row.id, [row.state], state, patch, { operation, machineId })) === null) return;
  report[state]++;
  context.log.warn("an environment's machine is gone", { environment: row.id, state, reason });
  changed(context, row);
}

/** Takes over a running machine; when the driver cannot be asked now, goes on asking in the background. */
export async function adopt(
  context: EnvironmentContext,
  row: EnvironmentRow,
  machineId: MachineId,
  report: Tally,
): Promise<boolean> {
  try {
    return await takeOver(context, row, machineId, report);
  } catch (error) {
    context.log.warn("a machine could not be taken over", { machine: machineId, error: describeError(error) });
    void context.operations.begin(row.id, (signal) =>
      retryUntilDone(context, signal, "taking over a machine", async () => {
        await takeOver(context, row, machineId, { ...report });
      }),
    );
    return false;
  }
}

/** False when the machine has died meanwhile, which the row says then, or is another request's. Rejects when it cannot be told now. */
export async function takeOver(
  context: EnvironmentContext,
  row: EnvironmentRow,
  machineId: MachineId,
  report: Tally,
): Promise<boolean> {
  try {
    return await take(context, row, machineId);
  } catch (error) {
    if (!isDead(error)) throw error;
    const reason = `the VMM died: ${describeError(error)}`;
    await reconcile(context, row, { kind: "reconcile", state: "failed", reason }, report);
    await tried(context, () => releaseMachine(context, context.drivers.of(row), { id: machineId }));
    return false;
  }
}

/** False when another request has begun to end it meanwhile: what it ends without this must not be held. */
export async function take(context: EnvironmentContext, row: EnvironmentRow, machineId: MachineId): Promise<boolean> {
  const driver = context.drivers.of(row);
  const machine = await driver.adopt(machineId, { epoch: row.epoch });
  const now = await context.rows.get(row.id, SYSTEM);
  const isToStop = now?.operation === "stop" && row.operation === null;
  if (now?.state !== "running" || now.machineId !== machineId || isToStop || context.destroys.has(row.id)) {
    machine.release();
    return false;
  }
  const live = liveMachine(driver, machine);
  live.isReady = true;
  context.live.set(row.id, live);
  context.lifetimes.began(row.id);
  watch(context, row, live);
  await reapplyPolicy(context, row, machineId);
  reapplyMembership(context, now, machineId);
  changed(context, row);
  limitAgain(context, now);
  live.machine.agent({ timeoutMs: GREETING_MS, signal: context.closing.signal }).catch((error: unknown) => {
    if (context.closing.signal.aborted) return;
    context.log.warn("an adopted guest does not answer", { environment: row.id, error: describeError(error) });
  });
  return true;
}

/** Its row has the last word: a change may have been cut off, or its machine be one of a version that limited less. */
function limitAgain({ drivers, log, closing }: EnvironmentContext, row: EnvironmentRow): void {
  const driver = drivers.of(row);
  const limits = limitsFor(driver, row);
  if (limits === null || row.machineId === null) return;
  const { machineId } = row;
  const { cpu, disk } = limits;
  for (const part of [{ cpu }, { disk }]) {
    driver.limit(machineId, part).catch((error: unknown) => {
      const isKnown = error instanceof PlatformError && error.code === "UNSUPPORTED";
      if (closing.signal.aborted || isKnown) return;
      log.warn("an adopted machine could not be limited", { environment: row.id, error: describeError(error) });
    });
  }
}

/** One thing that fails must not keep a server from starting; the next start tries it again. */
export async function tried(context: EnvironmentContext, run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    context.log.error("a step of the recovery failed", { error: describeError(error) });
    return false;
  }
}
