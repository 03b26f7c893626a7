import { type Environment, PlatformError, type Terminal } from "@microterm/protocol";
import { type Actor, SYSTEM } from "../../access/actor.ts";
import { authorize } from "../../access/authorize.ts";
import { toTerminal } from "../../machines/first-terminal.ts";
import { resourceLimits } from "../../machines/machine-limits.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { endedWithin, withDeadline } from "../../time/deadline.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import type { LiveMachine } from "../state/live-machine.ts";

/** A list of environments waits this long for the slowest guest, and no longer. */
const LIST_TIMEOUT_MS = 1_000;
/** A guest that did not answer is spared by lists for this long. */
const QUIET_MS = 5_000;

/** Nothing is promised of a driver that is not there. */
const UNKNOWN_DRIVER = { accelerator: "none", isolation: "none" } as const;

/** A row as its owner sees it, with the terminals its guest has now, or had when it last answered. */
export async function toEnvironment(context: EnvironmentContext, row: EnvironmentRow): Promise<Environment> {
  const facts = await factsOf(context, row);
  const live = context.live.get(row.id);
  const terminals = row.state === "running" && live?.isReady === true ? await knownTerminals(context, live) : [];
  return { ...facts, terminals: [...terminals] };
}

/** The same without asking its guest. */
export async function factsOf(
  context: EnvironmentContext,
  row: EnvironmentRow,
): Promise<Omit<Environment, "terminals">> {
  const driver = context.drivers.find(row.driver);
  const { accelerator, isolation } = driver?.capabilities ?? UNKNOWN_DRIVER;
  const { machineId: _machine, diskId: _disk, snapshotId: _snapshot, ...known } = row;
  const { interruptions: _interruptions, runningSince: _since, server: _server, epoch: _epoch, ...rest } = known;
  const { sharedNetwork, ...shown } = rest;
  const shared = sharedNetwork === null ? null : await context.networks.get(sharedNetwork, SYSTEM);
  const live = context.live.get(row.id);
  const silentSince = row.state === "running" ? (live?.silentSince ?? null) : null;
  const unresponsiveSince = silentSince === null ? null : new Date(silentSince).toISOString();
  return {
    ...shown,
    sharedNetwork: shared === null ? null : { id: shared.id, name: shared.name },
    limits: driver === null ? null : resourceLimits(driver, row),
    reason: context.drivers.absenceOf(row) ?? row.reason,
    unresponsiveSince,
    accelerator: accelerator ?? "none",
    isolation,
    notice: context.lifetimes.noticeOf(row.id),
  };
}

/** What its guest says of itself, as in its terminals' titles, is its owner's: an admin is not shown it along with the state. */
export function shownTo(actor: Actor, environment: Environment): Environment {
  const mayInspect = authorize(actor, "environment.inspect", environment) === "allowed";
  return mayInspect ? environment : { ...environment, terminals: [] };
}

async function knownTerminals(context: EnvironmentContext, live: LiveMachine): Promise<readonly Terminal[]> {
  const { clock } = context;
  if (clock.now() < Math.max(live.quietUntil, live.knownUntil)) return live.terminals;
  live.asking ??= askTerminals(context, live, LIST_TIMEOUT_MS)
    .then(
      () => {},
      () => {
        live.quietUntil = clock.now() + QUIET_MS;
      },
    )
    .finally(() => {
      live.asking = null;
    });
  await endedWithin(clock, LIST_TIMEOUT_MS, live.asking);
  return live.terminals;
}

/** Asks the guest. Rejects with `GUEST_UNREACHABLE` or `GUEST_PROTOCOL`. */
export async function askTerminals(
  context: EnvironmentContext,
  live: LiveMachine,
  timeoutMs: number,
): Promise<readonly Terminal[]> {
  const error = (seconds: number) =>
    new PlatformError("GUEST_UNREACHABLE", `the guest did not answer within ${seconds} s`);
  const reported = await withDeadline({ clock: context.clock, timeoutMs, error }, async (signal) => {
    const agent = await live.machine.agent({ timeoutMs, signal });
    return agent.terminals({ signal });
  });
  live.quietUntil = 0;
  live.terminals = reported.map(toTerminal);
  return live.terminals;
}
