import {
  type BootStep,
  type CreateEnvironment,
  EnvironmentId,
  type NetworkPolicy,
  PlatformError,
  type Size,
} from "@microterm/protocol";
import type { Actor } from "../../access/actor.ts";
import { assertAllowed } from "../../access/authorize.ts";
import type { Act } from "../../audit/audit-log.ts";
import { reserveEvictingPool } from "../../machines/admission/admission.ts";
import { randomName } from "../../machines/names.ts";
import type { EnvironmentRow, LimitChoices } from "../../ports/repository.ts";
import { spendingOfCreate } from "../../quotas/room.ts";
import { timestamp } from "../../time/timestamp.ts";
import { choosePolicy } from "../network/policy-plan.ts";
import { startInBackground } from "../start/begin-start.ts";
import { changed, type EnvironmentContext } from "../state/environment-context.ts";
import { type Shape, shapeOf } from "./shape.ts";

/** Those of its size: others are chosen later. */
const NO_CHOICES: LimitChoices = {
  ...{ cpuQuotaPercent: null, cpuWeight: null },
  ...{ diskMibPerSecond: null, diskOperationsPerSecond: null },
};
/** With their suffix the last names are one of millions. */
const NAME_TRIES = 12;

/** For creates that don't say. */
export interface Defaults {
  /** 0: never. */
  readonly idleTimeoutSeconds: number;
  /** 0: never. */
  readonly ttlSeconds: number;
  /** Where the network has it. */
  readonly network: NetworkPolicy;
}

export interface Creation {
  readonly actor: Actor;
  readonly request: CreateEnvironment;
  /** Undefined: one of the service's own choice. */
  readonly id: EnvironmentId | undefined;
  readonly defaults: Defaults;
}

/** Reserves its room, writes its row and starts it in the background. One of that id that is there already is the answer. */
export async function createEnvironment(context: EnvironmentContext, creation: Creation): Promise<EnvironmentRow> {
  const { actor, id: asked } = creation;
  assertAllowed(actor, "environment.create", actor);
  const id = asked ?? EnvironmentId.parse(context.random.id(12));
  // Only an id that was asked for can be there already.
  const existing = asked === undefined ? null : await context.rows.get(id, actor);
  if (existing !== null) return existing;
  const { row, isPooled } = await context.spending.run(actor.owner, () => admit(context, creation, id));
  context.faults.hit("create.row");
  startInBackground(context, row, { isFresh: true, hasRoom: !isPooled });
  changed(context, row);
  return row;
}

/** Reserves its room and writes its row. What is left of a quota, and of the host, is then known to who comes next. */
async function admit(
  context: EnvironmentContext,
  creation: Creation,
  id: EnvironmentId,
): Promise<{ readonly row: EnvironmentRow; readonly isPooled: boolean }> {
  const { drivers, pool } = context;
  const { actor, request } = creation;
  const shape = shapeOf(request);
  // Before room is made for what would be refused.
  await context.quotas.assertRoom(actor.owner, spendingOfCreate(shape), timestamp(context.clock));
  const network = choosePolicy(request.network, creation.defaults.network, context.network.capabilities);
  // A machine of the pool has its room already.
  const isPooled = shape.size !== null && pool.has(shape.size);
  const diskMib = drivers.default.capabilities.supportsDisk ? shape.diskMib : 0;
  if (!isPooled) await reserveEvictingPool(context, drivers.default, id, { ...shape, diskMib });
  try {
    return { row: await insertRow(context, creation, { id, shape, network }), isPooled };
  } catch (error) {
    context.admission.release(id);
    throw error;
  }
}

/** Under the name that was asked for, or else under the first free one of some. */
async function insertRow(
  context: EnvironmentContext,
  { actor, request, defaults }: Creation,
  { id, shape, network }: { readonly id: EnvironmentId; readonly shape: Shape; readonly network: NetworkPolicy | null },
): Promise<EnvironmentRow> {
  const { audit, clock, drivers, fleet, random } = context;
  const driver = drivers.default;
  const now = clock.now();
  const idleTimeoutSeconds = request.idleTimeoutSeconds ?? defaults.idleTimeoutSeconds;
  for (let tries = 0; ; tries++) {
    const row: EnvironmentRow = {
      id,
      name: request.name ?? (tries === 0 ? offeredName(context, shape.size) : null) ?? randomName(random, tries),
      owner: actor.owner,
      state: "creating",
      operation: "start",
      step: firstStep(context, shape.size),
      interruptions: 0,
      reason: null,
      driver: driver.name,
      ...shape,
      limits: NO_CHOICES,
      machineId: null,
      diskId: id,
      image: driver.images?.current ?? null,
      network,
      sharedNetwork: null,
      snapshotId: null,
      idleTimeoutSeconds: idleTimeoutSeconds === 0 ? null : idleTimeoutSeconds,
      expiresAt: expiryAfter(now, request.ttlSeconds ?? defaults.ttlSeconds),
      runningSince: null,
      createdAt: new Date(now).toISOString(),
      server: fleet.number,
      epoch: 0,
    };
    try {
      await audit.change(actor, createdAct(row), ({ environments }) => environments.insert(row));
      return row;
    } catch (error) {
      const isTaken = error instanceof PlatformError && error.code === "NAME_TAKEN";
      if (!isTaken || request.name !== undefined || tries >= NAME_TRIES) throw error;
    }
  }
}

const createdAct = (row: EnvironmentRow): Act => ({
  action: "environment.created",
  environment: row.id,
  detail: { memoryMib: row.memoryMib, cpus: row.cpus, diskMib: row.diskMib, policy: row.network?.mode ?? null },
});

/** A machine of the pool has its name, and a prompt that shows it. */
function offeredName({ pool }: EnvironmentContext, size: Size | null): string | null {
  return size === null ? null : pool.offerName(size);
}

/** What it begins with, as far as one can tell now. */
function firstStep({ pool, templates }: EnvironmentContext, size: Size | null): BootStep {
  if (size !== null && pool.has(size)) return "claim";
  return size !== null && templates.keyOf(size) !== null ? "restore" : "disk";
}

/** 0: never. */
export const expiryAfter = (now: number, ttlSeconds: number): string | null =>
  ttlSeconds === 0 ? null : new Date(now + ttlSeconds * 1000).toISOString();
