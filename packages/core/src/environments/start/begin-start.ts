import { SYSTEM } from "../../access/actor.ts";
import type { By } from "../../audit/audit-log.ts";
import { reserveEvictingPool } from "../../machines/admission/admission.ts";
import type { AccountRow } from "../../ports/repositories/account-repository.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { spendingOfStart } from "../../quotas/room.ts";
import { timestamp } from "../../time/timestamp.ts";
import { changed, type EnvironmentContext } from "../state/environment-context.ts";
import { refusal } from "../state/refusal.ts";
import { type StartOptions, start } from "./start.ts";

/** Starts a `creating` environment in the background; the room that was reserved for it is its machine's afterwards. */
export function startInBackground(
  context: EnvironmentContext,
  row: EnvironmentRow,
  how: Pick<StartOptions, "isFresh" | "hasRoom">,
): void {
  void context.operations
    .begin(row.id, (signal) => start(context, row, { isInterrupted: false, ...how, signal }))
    .finally(() => context.admission.release(row.id));
}

/** Of one that is `stopped`, `failed` or `paused`. Null where another request was faster: what it made of it is the answer. */
export function beginStart(context: EnvironmentContext, row: EnvironmentRow, by: By): Promise<EnvironmentRow | null> {
  return context.spending.run(row.owner, () => begin(context, row, by));
}

async function begin(context: EnvironmentContext, row: EnvironmentRow, by: By): Promise<EnvironmentRow | null> {
  const { audit, admission } = context;
  if (!(await hasRoom(context, row))) return null;
  const driver = context.drivers.of(row);
  const isPaused = row.state === "paused";
  const needsDisk = !isPaused && driver.capabilities.supportsDisk;
  const hasDisk = needsDisk && (await driver.listDisks()).some(({ diskId }) => diskId === row.diskId);
  const diskMib = needsDisk && !hasDisk ? row.diskMib : 0;
  await reserveEvictingPool(context, driver, row.id, { memoryMib: row.memoryMib, cpus: row.cpus, diskMib });
  let started: EnvironmentRow | null = null;
  try {
    const from = isPaused ? (["paused"] as const) : (["stopped", "failed"] as const);
    const begun = isPaused
      ? ({ operation: "resume", step: "resume", reason: null } as const)
      : ({ operation: "start", step: "disk", reason: null } as const);
    const action = isPaused ? "environment.resumed" : "environment.started";
    started = await audit.change(by, { action, environment: row.id }, async ({ accounts, environments }) => {
      const at = timestamp(context.clock);
      assertMayRun(row, await accounts.lock(row.owner), at);
      return environments.begin(row.id, from, begun, at);
    });
    if (started === null) return null;
    context.faults.hit("start.row");
    changed(context, started);
    startInBackground(context, started, { isFresh: false, hasRoom: true });
    return started;
  } finally {
    if (started === null && !context.operations.isBusy(row.id)) admission.release(row.id);
  }
}

/** What a disabled account runs is stopped once, at the end of its grace time: a backup must not bring back later what it has paused before. */
function assertMayRun(row: EnvironmentRow, owner: AccountRow | null, at: string): void {
  if (owner === null || owner.disabledAt === null) return;
  if (owner.stopsAt === null || owner.stopsAt <= at) throw refusal(row, "the account of its owner is disabled");
}

/** A look ahead, before room is made for what would be refused. False: it was started meanwhile, and is what the room went to. */
async function hasRoom({ quotas, rows, clock }: EnvironmentContext, row: EnvironmentRow): Promise<boolean> {
  try {
    await quotas.assertRoom(row.owner, spendingOfStart(row), timestamp(clock));
    return true;
  } catch (error) {
    if ((await rows.get(row.id, SYSTEM))?.state === row.state) throw error;
    return false;
  }
}
