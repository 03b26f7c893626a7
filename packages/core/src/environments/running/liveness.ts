import type { EnvironmentId, OwnerId } from "@microterm/protocol";
import { PlatformError } from "@microterm/protocol";
import { describeError } from "../../messages/describe-error.ts";
import { withDeadline } from "../../time/deadline.ts";
import { changed, type EnvironmentContext } from "../state/environment-context.ts";
import type { LiveMachine } from "../state/live-machine.ts";

/** Beats in a row without an answer until it is shown: a guest on a busy host may miss one. */
const MISSES = 2;
/** A guest that was silent is asked once more before a call to it is refused. */
const LAST_ASK_MS = 2_000;

interface Owned {
  readonly id: EnvironmentId;
  readonly owner: OwnerId;
}

/**
 * Asks a guest's agent for a sign of life as long as this process holds its machine. Silence is shown and is no failure:
 * a guest that is out of processors is silent, too, and goes on. Whether the guest is dead is the driver's to find out.
 */
export async function followGuest(context: EnvironmentContext, row: Owned, live: LiveMachine): Promise<void> {
  const { clock, closing, limits } = context;
  const isHeld = (): boolean => !closing.signal.aborted && context.live.get(row.id) === live;
  for (let misses = 0; isHeld(); ) {
    await clock.sleep(limits.heartbeatMs, closing.signal).catch(() => {});
    // A guest that is being saved stands still.
    if (!isHeld() || !live.isReady) {
      misses = 0;
      continue;
    }
    const askedAt = clock.now();
    const isAlive = await answers(context, live, limits.heartbeatMs);
    if (!isHeld()) return;
    if (isAlive) {
      misses = 0;
      show(context, row, live, null);
    } else if (live.isReady) {
      misses += 1;
      if (misses >= MISSES) show(context, row, live, live.silentSince ?? askedAt);
      await live.machine.examine().catch((error: unknown) => {
        context.log.warn("a silent guest could not be examined", {
          environment: row.id,
          error: describeError(error),
        });
      });
    }
  }
}

/** Rejects with `GUEST_UNREACHABLE` where a guest that was silent still is. */
export async function requireAnswer(context: EnvironmentContext, live: LiveMachine): Promise<void> {
  const since = live.silentSince;
  // One that answers now is shown as answering with its next beat.
  if (since === null || (await answers(context, live, LAST_ASK_MS))) return;
  const seconds = Math.round((context.clock.now() - since) / 1000);
  throw new PlatformError(
    "GUEST_UNREACHABLE",
    `the guest has not answered for ${seconds} s: its kernel or its agent is stuck or has no processor; wait, or stop it`,
  );
}

async function answers({ clock, closing }: EnvironmentContext, live: LiveMachine, timeoutMs: number): Promise<boolean> {
  const error = () => new Error("no answer");
  try {
    await withDeadline({ clock, timeoutMs, error, signal: closing.signal }, async (signal) => {
      const agent = await live.machine.agent({ timeoutMs, signal });
      await agent.ping();
    });
    return true;
  } catch {
    return false;
  }
}

function show(context: EnvironmentContext, row: Owned, live: LiveMachine, since: number | null): void {
  if (live.silentSince === since) return;
  live.silentSince = since;
  const what = since === null ? "a guest answers again" : "a guest does not answer";
  context.log.warn(what, { environment: row.id, machine: live.machine.id });
  changed(context, row);
}
