import {
  type CreateEnvironment,
  EnvironmentId,
  LIMITS,
  type OwnerId,
  PlatformError,
  TerminalId,
} from "@microterm/protocol";
import type { EnvironmentRow } from "../ports/repository.ts";
import { settled, withDeadline } from "../time/deadline.ts";
import { createAdmission, type Demand } from "./admission.ts";
import { boot } from "./boot.ts";
import { createChanges } from "./changes.ts";
import { type Context, changed, type LiveMachine } from "./context.ts";
import { destroy } from "./destroy.ts";
import {
  type AgentOptions,
  DEFAULT_LIMITS,
  type EnvironmentService,
  type EnvironmentServiceOptions,
} from "./environment-service.ts";
import { NO_FAULTS } from "./faults.ts";
import { randomName } from "./names.ts";
import { recover } from "./recover.ts";
import { STOPPING, stepReason } from "./steps.ts";
import { stop } from "./stop.ts";
import { askTerminals, toEnvironment, toTerminal } from "./view.ts";
import { waitFor } from "./wait.ts";
import { createWork } from "./work.ts";

const AGENT_TIMEOUT_MS = 5_000;
const CONSOLE_TIMEOUT_MS = 5_000;
/** With their suffix the last names are one of millions. */
const NAME_TRIES = 12;
const FIRST_STEP = stepReason("disk", { isResumed: false, retry: null });

export function createEnvironmentService(options: EnvironmentServiceOptions): EnvironmentService {
  const { driver, network, clock, random, log } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const rows = options.storage.environments;
  const context: Context = {
    rows,
    driver,
    network,
    clock,
    random,
    log,
    limits,
    faults: options.faults ?? NO_FAULTS,
    changes: createChanges(log),
    work: createWork(log),
    admission: createAdmission(driver, limits),
    live: new Map(),
    destroys: new Map(),
    consoles: new Map(),
    closing: new AbortController(),
  };
  const view = (row: EnvironmentRow) => toEnvironment(context, row);

  async function require(owner: OwnerId, reference: string): Promise<EnvironmentRow> {
    const row = await rows.find(reference, owner);
    if (row === null) {
      const shown = reference.slice(0, 64);
      throw new PlatformError(
        "ENVIRONMENT_NOT_FOUND",
        `no environment, or more than one, answers to '${shown}': give its name, its id, or 4 or more characters of that`,
      );
    }
    return row;
  }

  /** A live machine whose agent callers may use. */
  async function ready(id: EnvironmentId): Promise<LiveMachine> {
    const live = context.live.get(id);
    if (live?.isReady === true) return live;
    const row = await rows.get(id);
    if (row === null) throw new PlatformError("ENVIRONMENT_NOT_FOUND", "the environment was removed");
    if (row.state === "running") {
      throw new PlatformError(
        "GUEST_UNREACHABLE",
        `'${row.name}' is not connected: its machine is starting or stopping`,
      );
    }
    throw refusal(row, "its guest can only be reached while it is running");
  }

  async function agentOf(id: EnvironmentId, { signal, timeoutMs = AGENT_TIMEOUT_MS }: AgentOptions = {}) {
    const { machine } = await ready(id);
    return machine.agent({ timeoutMs, ...(signal === undefined ? {} : { signal }) });
  }

  function beginBoot(row: EnvironmentRow): void {
    void context.work
      .begin(row.id, (signal) => boot(context, row, { isResumed: false, signal }))
      .finally(() => context.admission.release(row.id));
  }

  async function insert(owner: OwnerId, request: CreateEnvironment, id: EnvironmentId): Promise<EnvironmentRow> {
    for (let tries = 0; ; tries++) {
      const row: EnvironmentRow = {
        id,
        name: request.name ?? randomName(random, tries),
        owner,
        state: "creating",
        reason: FIRST_STEP,
        driver: driver.name,
        memoryMib: request.memoryMib ?? LIMITS.memoryMib.default,
        cpus: request.cpus ?? LIMITS.cpus.default,
        diskMib: request.diskMib ?? LIMITS.diskMib.default,
        machineId: null,
        createdAt: new Date(clock.now()).toISOString(),
      };
      try {
        await rows.insert(row);
        return row;
      } catch (error) {
        const isTaken = error instanceof PlatformError && error.code === "NAME_TAKEN";
        if (!isTaken || request.name !== undefined || tries >= NAME_TRIES) throw error;
      }
    }
  }

  const service: EnvironmentService = {
    recover: () => recover(context),
    subscribe: (listener) => context.changes.subscribe(listener),
    agentOf,

    async create(owner, request, { id = EnvironmentId.parse(random.id(12)) } = {}) {
      const existing = await rows.get(id, owner);
      if (existing !== null) return view(existing);
      const demand: Demand = {
        memoryMib: request.memoryMib ?? LIMITS.memoryMib.default,
        diskMib: driver.capabilities.supportsDisk ? (request.diskMib ?? LIMITS.diskMib.default) : 0,
      };
      await context.admission.reserve(id, demand);
      let row: EnvironmentRow;
      try {
        row = await insert(owner, request, id);
      } catch (error) {
        context.admission.release(id);
        throw error;
      }
      context.faults.hit("create.row");
      changed(context, row);
      beginBoot(row);
      return view(row);
    },

    async list(owner) {
      return Promise.all((await rows.list(owner)).map(view));
    },

    async get(owner, reference) {
      return view(await require(owner, reference));
    },

    async locate(owner, reference) {
      return (await require(owner, reference)).id;
    },

    async start(owner, reference) {
      const row = await require(owner, reference);
      if (row.state === "creating" || row.state === "running") return view(row);
      if (row.state === "destroying" || row.state === "paused") throw refusal(row, "it cannot be started");
      const hasDisk = driver.capabilities.supportsDisk && (await driver.listDisks()).includes(row.id);
      const diskMib = driver.capabilities.supportsDisk && !hasDisk ? row.diskMib : 0;
      await context.admission.reserve(row.id, { memoryMib: row.memoryMib, diskMib });
      let started: EnvironmentRow | null = null;
      try {
        started = await rows.transition(row.id, ["stopped", "failed"], "creating", { reason: FIRST_STEP });
        // Another request was faster: what it made of it is the answer.
        if (started === null) return await service.get(owner, row.id);
        context.faults.hit("start.row");
        changed(context, started);
        beginBoot(started);
        return await view(started);
      } finally {
        if (started === null && !context.work.isBusy(row.id)) context.admission.release(row.id);
      }
    },

    async stop(owner, reference) {
      const row = await require(owner, reference);
      if (row.state === "stopped" || row.state === "failed") return view(row);
      if (row.state !== "running") throw refusal(row, "it cannot be stopped");
      if (row.reason === STOPPING && context.work.isBusy(row.id)) return view(row);
      // Another request may have changed it since it was read: then that is the answer.
      if (!(await rows.annotate(row.id, "running", STOPPING))) return service.get(owner, row.id);
      context.faults.hit("stop.row");
      changed(context, row);
      // A recovery may still be trying to take its machine over: the stop does not wait for that.
      if (!context.live.has(row.id)) void context.work.abort(row.id);
      void context.work.begin(row.id, (signal) => stop(context, row.id, signal));
      return view({ ...row, reason: STOPPING });
    },

    async destroy(owner, reference) {
      const row = await rows.find(reference, owner);
      if (row !== null) return destroy(context, row);
      const receipt = await rows.receipt(reference, owner);
      if (receipt !== null) return receipt;
      const gone = await require(owner, reference);
      return destroy(context, gone);
    },

    async wait(owner, reference, waiting) {
      const row = await rows.find(reference, owner);
      if (row === null && waiting.states.includes("gone")) return null;
      const { id } = row ?? (await require(owner, reference));
      const reached = await waitFor(context, id, owner, waiting);
      return reached === null ? null : view(reached);
    },

    async agent(owner, reference, asked) {
      return agentOf((await require(owner, reference)).id, asked);
    },

    async terminals(owner, reference) {
      const { id } = await require(owner, reference);
      return askTerminals(context, await ready(id), AGENT_TIMEOUT_MS);
    },

    async openTerminal(owner, reference, request) {
      const row = await require(owner, reference);
      const { cols, rows: height, command, cwd } = request;
      const error = () => new PlatformError("GUEST_UNREACHABLE", "the guest did not open a terminal in time");
      const opened = await withDeadline({ clock, timeoutMs: AGENT_TIMEOUT_MS, error }, async (signal) => {
        const agent = await agentOf(row.id, { signal });
        const spec = {
          id: TerminalId.parse(random.id(8)),
          cols,
          rows: height,
          ...(command === undefined ? {} : { command }),
          ...(cwd === undefined ? {} : { cwd }),
        };
        return agent.openTerminal(spec, { signal });
      });
      changed(context, row);
      return toTerminal(opened);
    },

    async closeTerminal(owner, reference, terminal) {
      const row = await require(owner, reference);
      const error = () => new PlatformError("GUEST_UNREACHABLE", "the guest did not close the terminal in time");
      await withDeadline({ clock, timeoutMs: AGENT_TIMEOUT_MS, error }, async (signal) => {
        const agent = await agentOf(row.id, { signal });
        await agent.closeTerminal(terminal, { signal });
      });
      changed(context, row);
    },

    async console(owner, reference) {
      const { id } = await require(owner, reference);
      const kept = () => context.consoles.get(id) ?? new Uint8Array();
      const live = context.live.get(id);
      if (live === undefined) return kept();
      const error = () => new PlatformError("GUEST_UNREACHABLE", "the console could not be read in time");
      return withDeadline({ clock, timeoutMs: CONSOLE_TIMEOUT_MS, error }, () => live.machine.console());
    },

    async close() {
      context.closing.abort(new Error("the server is shutting down"));
      for (const live of context.live.values()) live.machine.release();
      await settled(clock, 5_000, Promise.all([context.work.close(), ...context.destroys.values()]));
      context.live.clear();
    },
  };
  return service;
}

function refusal(row: EnvironmentRow, why: string): PlatformError {
  return new PlatformError("ENVIRONMENT_STATE", `'${row.name}' is ${row.state}: ${why}`, {
    details: { state: row.state },
  });
}
