import type { Environment, ResourceLimits } from "@microterm/protocol";
import type { Actor } from "../../access/actor.ts";
import { assertAllowed, terminalRoleOf } from "../../access/authorize.ts";
import { watchLifetimes } from "../../lifetime/watch-lifetimes.ts";
import { resourceLimits } from "../../machines/machine-limits.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { VmDriver } from "../../ports/vm-driver.ts";
import { endedWithin } from "../../time/deadline.ts";
import { recover } from "../recovery/recover.ts";
import { changeLimits } from "../running/change-limits.ts";
import { agentOf } from "../running/guests.ts";
import { cpuMsOf, totalUsage, usageOf } from "../running/usage.ts";
import { changed, type EnvironmentContext } from "../state/environment-context.ts";
import { imageStatus, pruneImages } from "../state/images.ts";
import { refusal } from "../state/refusal.ts";
import { destroy } from "../stop/destroy.ts";
import { endInTime } from "../stop/end-in-time.ts";
import { createContext } from "./create-context.ts";
import { createEnvironment, expiryAfter } from "./create-environment.ts";
import type { EnvironmentService, EnvironmentServiceOptions } from "./environment-service.ts";
import { requireRow } from "./lookup.ts";
import { assertPolicy, changePolicy, createNetworkActions } from "./network-actions.ts";
import { createPowerActions } from "./power-actions.ts";
import { createSharedNetworkActions } from "./shared-networks.ts";
import { createTerminalActions } from "./terminals.ts";
import { toEnvironment } from "./view.ts";
import { waitFor } from "./wait.ts";

/** How long the end of the server waits for what is under way. */
const CLOSE_TIMEOUT_MS = 5_000;

export function createEnvironmentService(options: EnvironmentServiceOptions): EnvironmentService {
  const context = createContext(options);
  return {
    ...createLifecycle(context),
    ...createReads(context),
    ...createChangeActions(context, options),
    ...createPowerActions(context),
    ...createNetworkActions(context),
    ...createSharedNetworkActions(context),
    ...createTerminalActions(context),
    ...createGuestAccess(context),
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
      pool.close();
      const underWay = Promise.all([operations.close(), templates.ended(), ...destroys.values()]);
      await endedWithin(clock, CLOSE_TIMEOUT_MS, underWay);
      live.clear();
    },
  };
}

function beginBackground(context: EnvironmentContext): void {
  const { clock, log, lifetimes, rows, changes, templates, pool, closing, drivers } = context;
  templates.onRemoved(() => void pruneImages({ ...context, driver: drivers.default }));
  templates.begin();
  pool.begin();
  const parts = {
    clock,
    log,
    lifetimes,
    canPause: (row: EnvironmentRow) => drivers.find(row.driver)?.snapshots != null,
    // What runs on a driver that is not there cannot be ended, and waits for a server that has it.
    listTimed: async () => (await rows.listTimed()).filter((row) => drivers.find(row.driver) !== null),
    cpuMs: (row: EnvironmentRow) => cpuMsOf(context, row),
    end: (action: "pause" | "stop" | "destroy", row: EnvironmentRow, reason: string) =>
      endInTime(context, action, row, reason),
    subscribe: (listener: () => void) => changes.subscribe(listener),
  };
  watchLifetimes(parts, closing.signal);
}

function createReads(
  context: EnvironmentContext,
): Pick<EnvironmentService, "list" | "get" | "locate" | "locateTerminal" | "wait" | "count"> {
  const { rows } = context;
  const view = (row: EnvironmentRow): Promise<Environment> => toEnvironment(context, row);
  const read = (actor: Actor, reference: string): Promise<EnvironmentRow> =>
    requireRow(context, { actor, action: "environment.read", reference });
  return {
    async list(actor) {
      assertAllowed(actor, "environment.read", actor);
      return Promise.all((await rows.list(actor.owner)).map(view));
    },
    get: async (actor, reference) => view(await read(actor, reference)),
    locate: async (actor, reference, action) => (await requireRow(context, { actor, action, reference })).id,
    async locateTerminal(actor, reference, asked) {
      const row = await requireRow(context, { actor, action: "terminal.view", reference });
      return { id: row.id, role: terminalRoleOf(actor, row, asked) };
    },
    async count(actor) {
      assertAllowed(actor, "environment.read", actor);
      return rows.count(actor.owner);
    },

    async wait(actor, reference, waiting) {
      assertAllowed(actor, "environment.read", actor);
      const row = await rows.find(reference, actor.owner);
      if (row === null && waiting.states.includes("gone")) return null;
      const { id } = row ?? (await read(actor, reference));
      const reached = await waitFor(context, id, actor.owner, waiting);
      return reached === null ? null : view(reached);
    },
  };
}

function createChangeActions(
  context: EnvironmentContext,
  options: Pick<EnvironmentServiceOptions, "idleTimeoutSeconds" | "ttlSeconds" | "networkPolicy">,
): Pick<EnvironmentService, "create" | "update" | "destroy"> {
  const { rows, clock } = context;
  const defaults = {
    idleTimeoutSeconds: options.idleTimeoutSeconds ?? 0,
    ttlSeconds: options.ttlSeconds ?? 0,
    network: options.networkPolicy ?? ({ mode: "none" } as const),
  };
  return {
    create: async (actor, request, { id } = {}) =>
      toEnvironment(context, await createEnvironment(context, { actor, request, id, defaults })),

    async update(actor, reference, { idleTimeoutSeconds, ttlSeconds, network, ...rest }) {
      const row = await requireRow(context, { actor, action: "environment.change", reference });
      // A request that cannot be done whole is refused before anything is changed.
      if (network !== undefined) assertPolicy(context, row, network);
      const said = Object.entries(rest).filter(([, limit]) => limit !== undefined);
      const limits: Partial<ResourceLimits> = Object.fromEntries(said);
      const changeReach = async () => network !== undefined && changePolicy(context, row, () => network);
      await (said.length > 0 ? changeLimits(context, row.id, limits, changeReach) : changeReach());
      const updated = await rows.setTimes(row.id, {
        ...(idleTimeoutSeconds === undefined ? {} : { idleTimeoutSeconds: idleTimeoutSeconds || null }),
        ...(ttlSeconds === undefined ? {} : { expiresAt: expiryAfter(clock.now(), ttlSeconds) }),
      });
      if (updated === null) throw refusal({ ...row, state: "destroying" }, "its times cannot be changed");
      if (idleTimeoutSeconds !== undefined) context.lifetimes.began(row.id);
      changed(context, row);
      return toEnvironment(context, updated);
    },

    async destroy(actor, reference) {
      const asked = { actor, action: "environment.destroy", reference } as const;
      assertAllowed(actor, asked.action, actor);
      const row = await rows.find(reference, actor.owner);
      if (row !== null) return destroy(context, row);
      const receipt = await rows.receipt(reference, actor.owner);
      return receipt ?? destroy(context, await requireRow(context, asked));
    },
  };
}

function createGuestAccess(
  context: EnvironmentContext,
): Pick<EnvironmentService, "agent" | "agentOf" | "noteActivity" | "beginUse" | "metrics" | "totalUsage"> {
  return {
    async metrics(actor, reference, options = {}) {
      const row = await requireRow(context, { actor, action: "environment.read", reference });
      const agent = await agentOf(context, row.id, options);
      const [guest, host] = await Promise.all([agent.metrics(options), usageOf(context, row)]);
      const { memoryMib, cpus, diskMib } = row;
      const machine = resourceLimits(context.drivers.of(row), row);
      return { guest, host, limits: { memoryMib, cpus, diskMib, machine } };
    },
    totalUsage: () => totalUsage(context),
    async agent(actor, reference, asked) {
      const { id } = await requireRow(context, { actor, action: "guest.use", reference });
      context.lifetimes.note(id);
      return agentOf(context, id, asked);
    },
    agentOf: (id, asked) => agentOf(context, id, asked),
    noteActivity: (id) => context.lifetimes.note(id),
    beginUse: (id) => context.lifetimes.beginUse(id),
  };
}
