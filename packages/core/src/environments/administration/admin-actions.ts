import type { AdminEnvironment, Overcommit } from "@microterm/protocol";
import { SYSTEM } from "../../access/actor.ts";
import { assertAllowed } from "../../access/authorize.ts";
import type { AccountRepository } from "../../ports/repositories/account-repository.ts";
import type { AdminActRepository } from "../../ports/repositories/audit-repository.ts";
import type { VmDriver } from "../../ports/vm-driver.ts";
import { readyMachine } from "../running/guests.ts";
import { totalUsage, usageOf } from "../running/usage.ts";
import type { EnvironmentService } from "../service/environment-service.ts";
import { requireRow } from "../service/lookup.ts";
import { askTerminals, factsOf } from "../service/view.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { AGENT_TIMEOUT_MS } from "../state/live-machine.ts";
import { promisedMachines } from "../state/promised-machines.ts";
import { transfer } from "./transfer.ts";
import { transferAllOf } from "./transfer-all.ts";

/** Of what an owner is told. */
const MAX_ADMIN_ACTS = 100;

interface AdminParts {
  readonly accounts: AccountRepository;
  readonly adminActs: AdminActRepository;
  readonly overcommit: Overcommit;
}

/** What an admin does with environments of all owners, and what their owners are told of it; stopping and removing one are the ordinary calls. */
export function createAdminActions(
  context: EnvironmentContext,
  { accounts, adminActs, overcommit }: AdminParts,
): Pick<EnvironmentService, "listAll" | "transfer" | "transferAllOf" | "foreignTerminals" | "adminActs" | "hostUse"> {
  const { rows } = context;

  return {
    async listAll(actor) {
      assertAllowed(actor, "accounts.read", actor);
      const [all, owners, disks] = await Promise.all([rows.list(SYSTEM), accounts.list(), writtenDisks(context)]);
      const names = new Map(owners.map(({ id, name }) => [id, name]));
      return Promise.all(
        all.map(async (row): Promise<AdminEnvironment> => {
          const machine = row.state === "running" ? await usageOf(context, row).catch(() => null) : null;
          const ownerName = names.get(row.owner) ?? row.owner;
          return {
            ...(await factsOf(context, row)),
            ownerName,
            use: { machine, diskMib: disks.get(row.diskId) ?? null },
          };
        }),
      );
    },

    transfer: (actor, reference, request) =>
      context.audit.attempt(actor, { action: "environment.transferred", target: reference }, () =>
        transfer(context, accounts, { actor, reference, request }),
      ),

    async foreignTerminals(actor, id) {
      // Its role first: who is no admin gets one answer for every id.
      assertAllowed(actor, "terminal.look-in", actor);
      await requireRow(context, { actor, action: "terminal.look-in", reference: id });
      const terminals = await askTerminals(context, await readyMachine(context, id), AGENT_TIMEOUT_MS);
      return terminals.map(({ id: terminal, createdAt }) => ({ id: terminal, createdAt }));
    },

    async adminActs(actor) {
      assertAllowed(actor, "environment.read", actor);
      return adminActs.list(actor.owner, MAX_ADMIN_ACTS);
    },
    transferAllOf: (actor, from, to) => transferAllOf(context, accounts, { actor, from, to }),

    async hostUse(actor) {
      assertAllowed(actor, "accounts.read", actor);
      const [resources, promised, disks, machines, all] = await Promise.all([
        context.drivers.default.resources(),
        promisedMachines(context),
        context.drivers.default.listDisks(),
        totalUsage(context),
        rows.list(SYSTEM),
      ]);
      const ofHost = promised.filter(({ driver }) => driver.host === context.drivers.default.host);
      const memory = resources.memory ?? { totalMib: 0, availableMib: 0 };
      const cpus = resources.cpus ?? 0;
      const overhead = (one: (typeof ofHost)[number]): number => one.driver.capabilities.overheadMib(one);
      const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
      return {
        cpus: { total: cpus, promised: sum(ofHost.map((one) => one.cpus)), limit: cpus * overcommit.cpu },
        memory: {
          ...memory,
          promisedMib: Math.ceil(sum(ofHost.map((one) => one.memoryMib + overhead(one)))),
          limitMib: memory.totalMib * overcommit.memory,
        },
        disk: {
          ...(resources.disk ?? { totalMib: 0, freeMib: 0 }),
          promisedMib: Math.ceil(sum(disks.map(({ unwrittenMib }) => unwrittenMib))),
        },
        machines: {
          ...{ count: machines.machines, cpuMs: machines.cpuMs },
          ...{ memoryBytes: machines.memoryBytes, processes: machines.processes },
        },
        environments: all.length,
        pool: context.pool.status(),
      };
    },
  };
}

/** What each disk has been written, MiB, where that is measured; of drivers that can be asked now. */
async function writtenDisks({ drivers, rows }: EnvironmentContext): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map((await rows.list(SYSTEM)).map(({ diskId, diskMib }) => [diskId, diskMib]));
  const ask = (driver: VmDriver) => driver.listDisks().catch(() => []);
  const disks = (await Promise.all(drivers.all.map(ask))).flat().filter(({ isMeasured }) => isMeasured);
  return new Map(
    disks.map(({ diskId, unwrittenMib }) => [diskId, Math.max(0, Math.round((sizes.get(diskId) ?? 0) - unwrittenMib))]),
  );
}
