import { type Environment, type NetworkId, PlatformError, type Terminal } from "@microterm/protocol";
import { type Actor, SYSTEM } from "../../access/actor.ts";
import { authorize } from "../../access/authorize.ts";
import { toTerminal } from "../../machines/first-terminal.ts";
import { resourceLimits } from "../../machines/machine-limits.ts";
import type { EnvironmentRow, NetworkRow } from "../../ports/repository.ts";
import { endedWithin, withDeadline } from "../../time/deadline.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import type { LiveMachine } from "../state/live-machine.ts";

/** A list of environments waits this long for the slowest guest, and no longer. */
const LIST_TIMEOUT_MS = 1_000;
/** So old may be what a list says of a guest's terminals; when it is older the guest is asked meanwhile, for the next list. */
const FRESH_MS = 10_000;
/** So old it may be at most: then a list waits for the answer. */
const STALE_MS = 300_000;
/** A guest that did not answer is spared by lists for this long. */
const QUIET_MS = 5_000;

/** Nothing is promised of a driver that is not there. */
const UNKNOWN_DRIVER = { accelerator: "none", isolation: "none" } as const;

/** A row as its owner sees it, with the terminals its guest has now, or had when it last answered. */
export const toEnvironment = (context: EnvironmentContext, row: EnvironmentRow): Promise<Environment> =>
  viewed(context, row, { terminalsOf: knownTerminals, networkOf: networkOf(context) });

/** Rows as their owner sees them in a list, for which not each guest is asked each time. */
export function toListed(context: EnvironmentContext, rows: readonly EnvironmentRow[]): Promise<Environment[]> {
  const networks = new Map<string, ReturnType<NetworkOf>>();
  const find = networkOf(context);
  const once: NetworkOf = (id) => {
    const found = networks.get(id) ?? find(id);
    networks.set(id, found);
    return found;
  };
  return Promise.all(rows.map((row) => viewed(context, row, { terminalsOf: listedTerminals, networkOf: once })));
}

type NetworkOf = (id: NetworkId) => Promise<NetworkRow | null>;

const networkOf =
  ({ networks }: EnvironmentContext): NetworkOf =>
  (id) =>
    networks.get(id, SYSTEM);

interface Sources {
  readonly terminalsOf: typeof knownTerminals;
  readonly networkOf: NetworkOf;
}

async function viewed(context: EnvironmentContext, row: EnvironmentRow, sources: Sources): Promise<Environment> {
  const facts = await factsOf(context, row, sources.networkOf);
  const live = context.live.get(row.id);
  const isThere = row.state === "running" && live?.isReady === true;
  const terminals = isThere ? await sources.terminalsOf(context, live) : [];
  return { ...facts, terminals: [...terminals] };
}

/** The same without asking its guest. */
export async function factsOf(
  context: EnvironmentContext,
  row: EnvironmentRow,
  find: NetworkOf = networkOf(context),
): Promise<Omit<Environment, "terminals">> {
  const driver = context.drivers.find(row.driver);
  const { accelerator, isolation } = driver?.capabilities ?? UNKNOWN_DRIVER;
  const { machineId: _machine, diskId: _disk, snapshotId: _snapshot, ...known } = row;
  const { interruptions: _interruptions, runningSince: _since, server: _server, epoch: _epoch, ...rest } = known;
  const { sharedNetwork, ...shown } = rest;
  const shared = sharedNetwork === null ? null : await find(sharedNetwork);
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

async function listedTerminals(context: EnvironmentContext, live: LiveMachine): Promise<readonly Terminal[]> {
  const age = live.learnedAt > live.changedAt ? context.clock.now() - live.learnedAt : Number.POSITIVE_INFINITY;
  if (age < FRESH_MS) return live.terminals;
  const asked = knownTerminals(context, live);
  return age < STALE_MS ? live.terminals : asked;
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
  const askedAt = context.clock.now();
  const error = (seconds: number) =>
    new PlatformError("GUEST_UNREACHABLE", `the guest did not answer within ${seconds} s`);
  const reported = await withDeadline({ clock: context.clock, timeoutMs, error }, async (signal) => {
    const agent = await live.machine.agent({ timeoutMs, signal });
    return agent.terminals({ signal });
  });
  live.quietUntil = 0;
  live.terminals = reported.map(toTerminal);
  live.learnedAt = askedAt;
  return live.terminals;
}
