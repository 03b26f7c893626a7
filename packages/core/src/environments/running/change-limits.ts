import { type EnvironmentId, PlatformError, type ResourceLimits } from "@microterm/protocol";
import type { Actor } from "../../access/actor.ts";
import { SYSTEM } from "../../access/actor.ts";
import { limitsFor, resourceLimits, toMachineLimits } from "../../machines/machine-limits.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { MachineLimits } from "../../ports/vm-driver.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { keepFollowing } from "../state/keep-following.ts";
import { refusal } from "../state/refusal.ts";

interface LimitsChange {
  readonly actor: Actor;
  readonly id: EnvironmentId;
  readonly wanted: Partial<ResourceLimits>;
  readonly rest: () => Promise<unknown>;
}

/**
 * Changes what an environment may use: of its machine at once, where it has one, and of all later ones. The machine first, so that
 * what its host cannot do is refused and nothing is stored; a server that dies in between leaves a machine that the next one gives
 * back the limits of its row. One change at a time: the last one stored is the last one made.
 *
 * `rest` is what else was asked for with it. Where that fails the row has the limits of before, and the machine gets them as soon as it
 * can be given them.
 */
export function changeLimits(context: EnvironmentContext, asked: LimitsChange): Promise<void> {
  const { id, wanted } = asked;
  return context.limiting.run(id, async () => {
    const before = await change(context, asked);
    await asked.rest().catch(async (error: unknown) => {
      await undo(context, before, wanted);
      throw error;
    });
  });
}

/** Resolves with the row of before. */
async function change(context: EnvironmentContext, { actor, id, wanted }: LimitsChange): Promise<EnvironmentRow> {
  const row = await context.rows.get(id, SYSTEM);
  if (row === null) throw new PlatformError("ENVIRONMENT_NOT_FOUND", `the environment '${id}' was removed`);
  const driver = context.drivers.of(row);
  const before = resourceLimits(driver, row);
  if (before === null) {
    throw new PlatformError(
      "UNSUPPORTED",
      `'${row.name}' runs on the driver '${driver.name}', which limits nothing: it has no ${Object.keys(wanted).join(", ")}`,
    );
  }
  if (row.state === "destroying") throw refusal(row, "its limits cannot be changed");
  if (row.operation !== null) throw refusal(row, `its ${row.operation} has to end before its limits can be changed`);
  if (row.state === "running" && row.machineId !== null) {
    await driver.limit(row.machineId, partsOf(toMachineLimits({ ...before, ...wanted }), wanted));
  }
  const { state, machineId } = row;
  const act = { action: "environment.changed", environment: row.id, detail: { limits: Object.keys(wanted) } } as const;
  const stored = await context.audit.change(actor, act, ({ environments }) =>
    environments.setLimits(id, wanted, { state, machineId }),
  );
  if (stored === null) throw refusal(row, "it was stopped, started or removed at the same time");
  return row;
}

async function undo(context: EnvironmentContext, before: EnvironmentRow, wanted: Partial<ResourceLimits>) {
  const { id, limits } = before;
  const names = Object.keys(wanted) as (keyof ResourceLimits)[];
  await context.rows.setLimits(id, Object.fromEntries(names.map((name) => [name, limits[name]])));
  void keepFollowing(context, id, "setting limits", () =>
    context.limiting.run(id, async () => {
      const row = await context.rows.get(id, SYSTEM);
      // It may have been given the limits that are undone.
      if (row?.state === "creating") throw new Error("it is being started");
      if (row?.state !== "running" || row.machineId === null) return;
      const driver = context.drivers.of(row);
      const whole = limitsFor(driver, row);
      if (whole !== null) await driver.limit(row.machineId, partsOf(whole, wanted));
    }),
  );
}

/** What is not changed is left alone: a host that cannot limit the one may limit the other. */
function partsOf({ cpu, disk }: MachineLimits, wanted: Partial<ResourceLimits>): Partial<MachineLimits> {
  const hasCpu = wanted.cpuQuotaPercent !== undefined || wanted.cpuWeight !== undefined;
  const hasDisk = wanted.diskMibPerSecond !== undefined || wanted.diskOperationsPerSecond !== undefined;
  return { ...(hasCpu ? { cpu } : {}), ...(hasDisk ? { disk } : {}) };
}
