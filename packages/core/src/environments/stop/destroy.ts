import { type MachineId, PlatformError, type Receipt } from "@microterm/protocol";
import { SYSTEM } from "../../access/actor.ts";
import type { By } from "../../audit/audit-log.ts";
import { removeMachine } from "../../machines/remove-machine.ts";
import { describeError } from "../../messages/describe-error.ts";
import { isHeldByPeer, isHeldHere } from "../../ports/fleet.ts";
import type { RemovedNetwork } from "../../ports/network.ts";
import type { OperationReport } from "../../ports/observer.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { Removed, VmDriver } from "../../ports/vm-driver.ts";
import { nap } from "../../time/nap.ts";
import { Stopwatch } from "../../time/stopwatch.ts";
import { timestamp } from "../../time/timestamp.ts";
import { createWakeup } from "../../time/wakeup.ts";
import { AT_REST } from "../state/at-rest.ts";
import { changed, type EnvironmentContext, forgetMachine } from "../state/environment-context.ts";
import { pruneImages } from "../state/images.ts";
import { retryUntilDone } from "../state/retry.ts";

const KINDS = ["processes", "cgroups", "sockets", "files", "uids"] as const;
const NETWORK_KINDS = ["namespaces", "links", "flows"] as const;

/** The kernel takes a moment to reap what was killed; after this many looks whatever is there is really left. */
const SCANS = 4;
const SCAN_PAUSE_MS = 250;
/** A peer that has to destroy what it holds is told again after this time. */
const HOLDER_MS = 2_000;
/** Who asks, and why where that is not asked for by itself. */
export interface DestroyCause {
  readonly by: By;
  readonly reason?: string;
}

/** States that a destroy begins in. */
const LIVING = ["creating", "running", "paused", "stopped", "failed"] as const;

/**
 * Destroys an environment: row.id, machine, network, disk, in that order, then a search of the host for anything that bears
 * one of its ids, then the receipt. Each step is safe to repeat, so a process that dies in the middle is followed by one
 * that begins again; a receipt counts what the process that finished has removed.
 *
 * Those that ask while it is under way share it. When it rejects, it goes on in the background until it is done; with
 * `UNSUPPORTED`, nothing was begun: the server does not have its driver, and what is on the host would be lost sight of.
 */
export async function destroy(context: EnvironmentContext, row: EnvironmentRow, cause: DestroyCause): Promise<Receipt> {
  context.drivers.of(row);
  const known = context.destroys.get(row.id);
  if (known !== undefined) return known;
  const own = run(context, row, cause).finally(() => context.destroys.delete(row.id));
  context.destroys.set(row.id, own);
  own.catch((error: unknown) => {
    if (context.closing.signal.aborted) return;
    context.log.error("a destroy failed and goes on in the background", {
      environment: row.id,
      error: describeError(error),
    });
    void context.operations.begin(row.id, (signal) => again(context, row, signal));
  });
  return own;
}

/** Destroys one whose time to live is over, unless it was given more since the row was read. */
export async function destroyExpired(context: EnvironmentContext, row: EnvironmentRow): Promise<void> {
  context.drivers.of(row);
  const { id, expiresAt } = row;
  const detail = { reason: "its time to live was over" };
  const claimed = await context.audit.change(
    "server",
    { action: "environment.destroyed", environment: row.id, detail },
    (to) => to.environments.transition(id, LIVING, "destroying", begun(context, "expire"), { expiresAt }),
  );
  if (claimed !== null) await destroy(context, claimed, { by: "server" });
}

const begun = ({ clock }: EnvironmentContext, operation: "destroy" | "expire") => ({
  ...AT_REST,
  operation,
  reason: null,
  ranUntil: timestamp(clock),
});

async function again(context: EnvironmentContext, row: EnvironmentRow, signal: AbortSignal): Promise<void> {
  await retryUntilDone(context, signal, "destroying an environment", async () => {
    const now = await context.rows.get(row.id, SYSTEM);
    if (now?.state !== "destroying" || context.destroys.has(row.id)) return;
    const own = finish(context, now).finally(() => context.destroys.delete(row.id));
    context.destroys.set(row.id, own);
    await own;
  });
}

async function run(context: EnvironmentContext, row: EnvironmentRow, { by, reason }: DestroyCause): Promise<Receipt> {
  const { rows, audit, faults } = context;
  const detail = reason === undefined ? {} : { reason };
  const act = { action: "environment.destroyed", environment: row.id, detail } as const;
  const only = isHeldByPeer(context.fleet, row) && row.server !== null ? { heldBy: row.server } : {};
  const began = await audit.change(by, act, ({ environments }) =>
    environments.transition(row.id, LIVING, "destroying", begun(context, "destroy"), only),
  );
  const claimed = began ?? (await rows.get(row.id, SYSTEM));
  if (claimed === null) return receiptOf(context, row);
  // Its holder has changed since it was read.
  if (claimed.state !== "destroying") return run(context, claimed, { by, ...(reason === undefined ? {} : { reason }) });
  faults.hit("destroy.row");
  changed(context, row);
  if (isHeldByPeer(context.fleet, claimed)) return leaveToHolder(context, claimed);
  await context.operations.abort(row.id);
  return finish(context, claimed);
}

/** Has the peer that holds it destroy it, and waits for that; where the peer ends before, whoever has claimed it does so. */
async function leaveToHolder(context: EnvironmentContext, row: EnvironmentRow): Promise<Receipt> {
  const { changes, clock, closing, fleet, rows } = context;
  const wakeup = createWakeup();
  const unsubscribe = changes.subscribe(({ id }) => {
    if (id === row.id) wakeup.wake();
  });
  try {
    for (;;) {
      closing.signal.throwIfAborted();
      const woken = wakeup.next();
      const now = await rows.get(row.id, SYSTEM);
      if (now === null) return await receiptOf(context, row);
      if (isHeldHere(fleet, now)) return await finish(context, now);
      fleet.notify({ kind: "work", id: row.id });
      await nap({ clock, ms: HOLDER_MS, woken, signal: closing.signal });
    }
  } finally {
    unsubscribe();
  }
}

async function receiptOf(context: EnvironmentContext, row: EnvironmentRow): Promise<Receipt> {
  const receipt = await context.rows.receipt(row.id, SYSTEM);
  if (receipt === null) throw new PlatformError("ENVIRONMENT_NOT_FOUND", `the environment '${row.name}' is gone`);
  return receipt;
}

/** From a row in `destroying` to the receipt. */
async function finish(context: EnvironmentContext, row: EnvironmentRow): Promise<Receipt> {
  const stopwatch = new Stopwatch(context.clock);
  const report = (outcome: OperationReport["outcome"]): void => {
    const ended = { operation: "destroy", environment: row.id, machine: row.machineId, method: null } as const;
    context.observer.operationEnded({ ...ended, outcome, ...stopwatch.read() });
  };
  let left: readonly string[];
  try {
    left = await removeAll(context, row, stopwatch);
  } catch (error) {
    if (!context.closing.signal.aborted) report("failed");
    throw error;
  }
  report(left.length === 0 ? "done" : "failed");
  // Read back: where another process finished first, its receipt is the one.
  return receiptOf(context, row);
}

/** Resolves with what is left on the host all the same. */
async function removeAll(
  context: EnvironmentContext,
  row: EnvironmentRow,
  stopwatch: Stopwatch,
): Promise<readonly string[]> {
  const { rows, faults, clock } = context;
  stopwatch.enter("machine");
  const driver = context.drivers.of(row);
  const live = context.live.get(row.id);
  forgetMachine(context, row.id);

  // The row names its last machine; one that an earlier attempt to boot left behind bears the environment's label.
  const labelled = (await driver.list({ environment: row.id })).filter((found) => found.environmentId === row.id);
  const machines = new Set<MachineId>(labelled.map((found) => found.machineId));
  if (row.machineId !== null) machines.add(row.machineId);
  if (live !== undefined) machines.add(live.machine.id);

  const counts: Removed[] = [];
  for (const id of machines) {
    counts.push(await removeMachine(context, driver, { id, held: live?.machine.id === id ? live.machine : null }));
  }
  faults.hit("destroy.machine");
  stopwatch.enter("network");
  const networks: RemovedNetwork[] = [];
  for (const id of machines) networks.push(await context.network.detach(id));
  faults.hit("destroy.network");
  stopwatch.enter("disk");
  let disk = await driver.removeDisk(row.diskId);
  const saved = row.snapshotId === null ? null : await driver.snapshots?.removeSnapshot(row.snapshotId);
  if (saved != null) disk = { files: disk.files + saved.files, bytes: disk.bytes + saved.bytes };
  faults.hit("destroy.disk");
  stopwatch.enter("scan");

  const ids = [...new Set([...machines, row.id, row.diskId, ...(row.snapshotId === null ? [] : [row.snapshotId])])];
  let left = await leftovers(context, driver, ids);
  for (let scans = 1; left.length > 0 && scans < SCANS; scans++) {
    context.log.warn("something is left of a destroyed environment", { environment: row.id, left: left.join(", ") });
    await clock.sleep(SCAN_PAUSE_MS, context.closing.signal);
    for (const id of machines) {
      counts.push(await driver.remove(id));
      networks.push(await context.network.detach(id));
    }
    const more = await driver.removeDisk(row.diskId);
    disk = { files: disk.files + more.files, bytes: disk.bytes + more.bytes };
    left = await leftovers(context, driver, ids);
  }
  if (left.length > 0) {
    context.log.error("an environment was destroyed but something is left of it", {
      environment: row.id,
      left: left.join(", "),
    });
  }
  faults.hit("destroy.scan");

  const total = totalOf(KINDS, counts);
  await rows.finish(row.id, row.owner, {
    environment: row.id,
    name: row.name,
    destroyedAt: new Date(clock.now()).toISOString(),
    cause: row.operation === "expire" ? "expiry" : "request",
    removed: {
      ...{ ...total, files: total.files + disk.files },
      ...{ ...totalOf(NETWORK_KINDS, networks), diskBytes: disk.bytes },
    },
    left: [...left],
  });
  faults.hit("destroy.receipt");
  void pruneImages({ ...context, driver });
  context.consoles.forget(row.id);
  context.lifetimes.forget(row.id);
  context.changes.emit({ kind: "removed", id: row.id, owner: row.owner });
  return left;
}

/** What bears one of the ids on the host, or has a network. */
async function leftovers(
  { network }: EnvironmentContext,
  driver: VmDriver,
  ids: readonly string[],
): Promise<readonly string[]> {
  const [found, attached] = await Promise.all([driver.leftovers(ids), network.list()]);
  return [...found, ...attached.filter((id) => ids.includes(id)).map((id) => `network ${id}`)];
}

/** What is not counted counts as nothing: a receipt has numbers. */
function totalOf<Kind extends string>(
  kinds: readonly Kind[],
  counts: readonly Readonly<Record<Kind, number | null>>[],
): Record<Kind, number> {
  const of = (kind: Kind): number => counts.reduce((sum, one) => sum + (one[kind] ?? 0), 0);
  return Object.fromEntries(kinds.map((kind) => [kind, of(kind)])) as Record<Kind, number>;
}
