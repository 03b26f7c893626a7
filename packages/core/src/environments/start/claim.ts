import type { Terminal } from "@microterm/protocol";
import { openFirstTerminal, toTerminal } from "../../machines/first-terminal.ts";
import { describeError } from "../../messages/describe-error.ts";
import type { PooledMachine } from "../../pool/make.ts";
import type { GuestAgent } from "../../ports/guest-agent.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { withDeadline } from "../../time/deadline.ts";
import type { Stopwatch } from "../../time/stopwatch.ts";
import { timestamp } from "../../time/timestamp.ts";
import { applyPolicy } from "../network/apply-policy.ts";
import { watch } from "../running/watch.ts";
import { AT_REST } from "../state/at-rest.ts";
import { changed, type EnvironmentContext, forgetMachine } from "../state/environment-context.ts";
import { liveMachine } from "../state/live-machine.ts";
import { reportStart } from "./report-start.ts";

/** A machine of the pool has nothing to do but to answer: one that takes longer is not worth waiting for. */
const CLAIM_TIMEOUT_MS = 3_000;
/** What a machine of the pool has reported of its terminals is true until input arrives. */
const KNOWN_MS = 2_000;

/** bash reads the host name when it starts: the one that waits would show another one. */
async function namedTerminal(
  context: EnvironmentContext,
  agent: GuestAgent,
  { terminals }: PooledMachine,
  signal: AbortSignal,
): Promise<Terminal> {
  for (const { id } of terminals) await agent.closeTerminal(id, { signal });
  return toTerminal(await openFirstTerminal(context, agent, signal));
}

/**
 * Makes a machine of the pool an environment's. True when the row is no longer `creating`: it runs, or another request
 * has taken over. False when the machine would not have it; it is removed then, and the row as it was.
 */
export async function claim(
  context: EnvironmentContext,
  row: EnvironmentRow,
  pooled: PooledMachine,
  { stopwatch, signal }: { readonly stopwatch: Stopwatch; readonly signal: AbortSignal },
): Promise<boolean> {
  const { rows, faults, clock } = context;
  const { machine, diskId } = pooled;
  stopwatch.enter("claim");
  const named = await rows.transition(row.id, ["creating"], "creating", { machineId: machine.id, diskId });
  if (named === null) {
    await context.pool.discard(pooled, "its environment was removed");
    return true;
  }
  faults.hit("claim.row");
  context.pool.claimed(pooled);
  const live = liveMachine(context.drivers.of(row), machine);
  live.terminals = pooled.terminals;
  context.live.set(row.id, live);
  try {
    const error = (seconds: number) => new Error(`it did not answer within ${seconds} s`);
    await withDeadline({ clock, timeoutMs: CLAIM_TIMEOUT_MS, error, signal }, async (bounded) => {
      const agent = await machine.agent({ timeoutMs: CLAIM_TIMEOUT_MS, signal: bounded });
      await agent.claim({ environment: row.name, interface: pooled.attachment.interface }, { signal: bounded });
      if (pooled.name !== row.name) live.terminals = [await namedTerminal(context, agent, pooled, bounded)];
      await applyPolicy(context, row, machine.id);
    });
  } catch (error) {
    forgetMachine(context, row.id);
    if (signal.aborted) {
      machine.release();
      return true;
    }
    await context.pool.discard(pooled, describeError(error));
    const back = await rows.transition(row.id, ["creating"], "creating", { machineId: null, diskId: row.diskId });
    return back === null;
  }
  faults.hit("claim.agent");
  live.isReady = true;
  live.knownUntil = clock.now() + KNOWN_MS;
  live.learnedAt = clock.now();
  const runs = { ...AT_REST, reason: null, runningSince: timestamp(clock) };
  if ((await rows.transition(row.id, ["creating"], "running", runs)) === null) {
    forgetMachine(context, row.id);
    machine.release();
    return true;
  }
  watch(context, row, live);
  context.scheduler.claimed(row.id);
  context.lifetimes.began(row.id);
  changed(context, row);
  reportStart(context, row, { method: "claim", machine: machine.id, outcome: "done", stopwatch });
  return true;
}
