import { DEFAULT_OVERCOMMIT, type Environment, type OwnerId } from "@microterm/protocol";
import { type Actor, SYSTEM } from "../../access/actor.ts";
import { assertAllowed, terminalRoleOf } from "../../access/authorize.ts";
import { countRunning } from "../../lifetime/count-running.ts";
import { hoursEnds } from "../../lifetime/hours-ends.ts";
import { watchLifetimes } from "../../lifetime/watch-lifetimes.ts";
import { resourceLimits } from "../../machines/machine-limits.ts";
import { isHeldByPeer } from "../../ports/fleet.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { VmDriver } from "../../ports/vm-driver.ts";
import { endedWithin } from "../../time/deadline.ts";
import { createAdminActions } from "../administration/admin-actions.ts";
import { followPeers } from "../fleet/follow-peers.ts";
import { recover } from "../recovery/recover.ts";
import { agentOf } from "../running/guests.ts";
import { cpuMsOf, totalUsage, usageOf } from "../running/usage.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { imageStatus, pruneImages } from "../state/images.ts";
import { createAccountActions } from "../stop/account-actions.ts";
import { destroy } from "../stop/destroy.ts";
import { endInTime } from "../stop/end-in-time.ts";
import { createContext } from "./create-context.ts";
import { createEnvironment } from "./create-environment.ts";
import type { EnvironmentService, EnvironmentServiceOptions } from "./environment-service.ts";
import { beginAct, runAct } from "./guest-acts.ts";
import { findRow, requireRow } from "./lookup.ts";
import { createNetworkActions } from "./network-actions.ts";
import { createPowerActions } from "./power-actions.ts";
import { createSharedNetworkActions } from "./shared-networks.ts";
import { createTerminalActions } from "./terminals.ts";
import { updateEnvironment } from "./update-environment.ts";
import { shownTo, toEnvironment, toListed } from "./view.ts";
import { waitFor } from "./wait.ts";

/** How long the end of the server waits for what is under way. */
const CLOSE_TIMEOUT_MS = 5_000;

export function createEnvironmentService(options: EnvironmentServiceOptions): EnvironmentService {
  const context = createContext(options);
  followPeers(context);
  return {
    ...createLifecycle(context),
    ...createReads(context),
    ...createChangeActions(context, options),
    ...createPowerActions(context),
    ...createAccountActions(context),
    ...createNetworkActions(context),
    ...createSharedNetworkActions(context),
    ...createTerminalActions(context),
    ...createGuestAccess(context),
    ...createAdminActions(context, {
      accounts: options.storage.accounts,
      adminActs: options.storage.adminActs,
      overcommit: options.overcommit ?? DEFAULT_OVERCOMMIT,
    }),
    templates: () => [...context.templates.status()],
    pool: () => context.pool.status(),
    images: () => imagesOfAll(context),
    subscribe: (listener) => context.changes.subscribe(listener),
  };
}

/** Once each: drivers of one host have the same. */
async function imagesOfAll(context: EnvironmentContext): ReturnType<typeof imageStatus> {
  const all = (await Promise.all(context.drivers.all.map((driver) => imagesOf(context, driver)))).flat();
  return all.filter(({ image }, at) => all.findIndex((one) => one.image === image) === at);
}

/** What the host of a driver has; none of one besides the default that cannot be asked now. */
async function imagesOf(context: EnvironmentContext, driver: VmDriver): ReturnType<typeof imageStatus> {
  const asked = imageStatus({ ...context, driver });
  return driver === context.drivers.default ? asked : asked.catch(() => []);
}

function createLifecycle(context: EnvironmentContext): Pick<EnvironmentService, "recover" | "close"> {
  let hasBegun = false;
  return {
    async recover() {
      const report = await recover(context);
      if (!hasBegun) {
        hasBegun = true;
        beginBackground(context);
      }
      return report;
    },

    async close() {
      const { closing, live, pool, templates, operations, destroys, clock } = context;
      closing.abort(new Error("the server is shutting down"));
      for (const { machine } of live.values()) machine.release();
      const underWay = Promise.all([pool.close(), operations.close(), templates.ended(), ...destroys.values()]);
      await endedWithin(clock, CLOSE_TIMEOUT_MS, underWay);
      live.clear();
    },
  };
}

function beginBackground(context: EnvironmentContext): void {
  const { clock, log, lifetimes, rows, quotas, changes, templates, pool, closing, drivers, fleet } = context;
  templates.onRemoved(() => void pruneImages({ ...context, driver: drivers.default }));
  templates.begin();
  pool.begin();
  const parts = {
    clock,
    log,
    lifetimes,
    canPause: (row: EnvironmentRow) => drivers.find(row.driver)?.snapshots != null,
    hoursEnds: async () => {
      const now = clock.now();
      return hoursEnds(await quotas.runningAccounts(new Date(now).toISOString()), now);
    },
    // What runs on a driver that is not there cannot be ended, and waits for a server that has it; what a peer holds is the peer's to end.
    listTimed: async (owners: readonly OwnerId[]) =>
      (await rows.listTimed(owners)).filter((row) => drivers.find(row.driver) !== null && !isHeldByPeer(fleet, row)),
    cpuMs: (row: EnvironmentRow) => cpuMsOf(context, row),
    end: (action: "pause" | "stop" | "destroy", row: EnvironmentRow, reason: string) =>
      endInTime(context, action, row, reason),
    subscribe: (listener: () => void) => changes.subscribe(listener),
  };
  watchLifetimes(parts, closing.signal);
  void countRunning({ clock, log, quotas }, closing.signal);
}

function createReads(
  context: EnvironmentContext,
): Pick<EnvironmentService, "list" | "get" | "locate" | "locateTerminal" | "holder" | "wait" | "count"> {
  const { rows, fleet } = context;
  const view = (row: EnvironmentRow): Promise<Environment> => toEnvironment(context, row);
  const read = (actor: Actor, reference: string): Promise<EnvironmentRow> =>
    requireRow(context, { actor, action: "environment.read", reference });
  return {
    async list(actor) {
      assertAllowed(actor, "environment.read", actor);
      return toListed(context, await rows.list(actor));
    },
    get: async (actor, reference) => shownTo(actor, await view(await read(actor, reference))),
    locate: async (actor, reference, action) => (await requireRow(context, { actor, action, reference })).id,
    async locateTerminal(actor, reference, asked) {
      const row = await requireRow(context, { actor, action: "terminal.view", reference });
      return { id: row.id, role: terminalRoleOf(actor, row, asked) };
    },
    async holder(id) {
      if (fleet.number === null) return null;
      const server = (await rows.get(id, SYSTEM))?.server ?? null;
      return server === null ? null : fleet.peer(server);
    },
    async count(actor) {
      assertAllowed(actor, "environment.read", actor);
      return rows.count(actor);
    },

    async wait(actor, reference, waiting) {
      assertAllowed(actor, "environment.read", actor);
      const row = await findRow(context, { actor, action: "environment.read", reference });
      if (row === null && waiting.states.includes("gone")) return null;
      const { id } = row ?? (await read(actor, reference));
      const reached = await waitFor(context, id, actor, waiting);
      return reached === null ? null : shownTo(actor, await view(reached));
    },
  };
}

function createChangeActions(
  context: EnvironmentContext,
  options: Pick<EnvironmentServiceOptions, "idleTimeoutSeconds" | "ttlSeconds" | "networkPolicy">,
): Pick<EnvironmentService, "create" | "update" | "destroy"> {
  const { rows, audit } = context;
  const defaults = {
    idleTimeoutSeconds: options.idleTimeoutSeconds ?? 0,
    ttlSeconds: options.ttlSeconds ?? 0,
    network: options.networkPolicy ?? ({ mode: "none" } as const),
  };
  return {
    create: (actor, request, { id } = {}) =>
      audit.attempt(actor, { action: "environment.created", target: request.name ?? null }, async () =>
        toEnvironment(context, await createEnvironment(context, { actor, request, id, defaults })),
      ),

    update: (actor, reference, request) =>
      audit.attempt(actor, { action: "environment.changed", target: reference }, () =>
        updateEnvironment(context, { actor, reference, request }),
      ),

    destroy: (actor, reference) =>
      audit.attempt(actor, { action: "environment.destroyed", target: reference }, async () => {
        const asked = { actor, action: "environment.destroy", reference } as const;
        assertAllowed(actor, asked.action, actor);
        const row = await findRow(context, asked);
        if (row !== null) return destroy(context, row, { by: actor });
        const receipt = await rows.receipt(reference, actor);
        return receipt ?? destroy(context, await requireRow(context, asked), { by: actor });
      }),
  };
}

function createGuestAccess(
  context: EnvironmentContext,
): Pick<
  EnvironmentService,
  "agent" | "agentOf" | "noteActivity" | "beginUse" | "metrics" | "totalUsage" | "beginAct" | "runAct"
> {
  return {
    async beginAct(actor, reference, act) {
      const { row, ended } = await beginAct(context, { actor, reference, act });
      return { id: row.id, ended };
    },
    runAct: (actor, reference, act, run) => runAct(context, { actor, reference, act }, ({ id }) => run(id)),
    async metrics(actor, reference, options = {}) {
      const row = await requireRow(context, { actor, action: "environment.inspect", reference });
      const agent = await agentOf(context, row.id, options);
      const [guest, host] = await Promise.all([agent.metrics(options), usageOf(context, row)]);
      const { memoryMib, cpus, diskMib } = row;
      const machine = resourceLimits(context.drivers.of(row), row);
      return { guest, host, limits: { memoryMib, cpus, diskMib, machine } };
    },
    totalUsage: () => totalUsage(context),
    async agent(actor, reference, { action = "guest.exec", ...asked } = {}) {
      const { id } = await requireRow(context, { actor, action, reference });
      context.lifetimes.note(id);
      return agentOf(context, id, asked);
    },
    agentOf: (id, asked) => agentOf(context, id, asked),
    noteActivity: (id) => context.lifetimes.note(id),
    beginUse: (id) => context.lifetimes.beginUse(id),
  };
}
