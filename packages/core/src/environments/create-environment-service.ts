import { type CreateEnvironment, EnvironmentId, type OwnerId, PlatformError, TerminalId } from "@microterm/protocol";
import { createLifetimes } from "../lifetime/lifetimes.ts";
import { createPool } from "../pool/pool.ts";
import type { EnvironmentRow } from "../ports/repository.ts";
import { createTemplates } from "../templates/templates.ts";
import { settled, withDeadline } from "../time/deadline.ts";
import { createAdmission, type Demand } from "./admission.ts";
import { boot, forget } from "./boot.ts";
import { createChanges } from "./changes.ts";
import { type Context, changed, type Foundation, type LiveMachine } from "./context.ts";
import { destroy } from "./destroy.ts";
import {
  type AgentOptions,
  DEFAULT_LIMITS,
  type EnvironmentService,
  type EnvironmentServiceOptions,
} from "./environment-service.ts";
import { NO_FAULTS } from "./faults.ts";
import { createForeground } from "./foreground.ts";
import { randomName } from "./names.ts";
import { pause } from "./pause.ts";
import { recover } from "./recover.ts";
import { type Shape, shapeOf } from "./shape.ts";
import { PAUSING, STOPPING, stepReason } from "./steps.ts";
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
  const foundation: Foundation = {
    driver,
    snapshots: driver.snapshots,
    network,
    clock,
    random,
    log,
    limits,
    faults: options.faults ?? NO_FAULTS,
    admission: createAdmission(driver, limits),
    foreground: createForeground(clock, limits.parallelRestores),
    closing: new AbortController(),
  };
  const changes = createChanges(log);
  const templates = createTemplates(foundation, { isEnabled: options.templates ?? false });
  const context: Context = {
    ...foundation,
    rows,
    changes,
    work: createWork(log),
    templates,
    pool: createPool(foundation, templates, options.pool ?? 0),
    lifetimes: createLifetimes({
      clock,
      log,
      canPause: driver.snapshots !== null,
      listTimed: () => rows.listTimed(),
      metrics: async (id) => (await agentOf(id)).metrics(),
      end: (action, row, reason) => endOf(action, row, reason),
      changed: (row) => changed(context, row),
      subscribe: (listener) => changes.subscribe(listener),
    }),
    live: new Map(),
    destroys: new Map(),
    consoles: new Map(),
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

  /** Idle time and life over: what an owner would ask for, with another reason. */
  async function endOf(action: "pause" | "stop" | "destroy", row: EnvironmentRow, reason: string): Promise<void> {
    if (action === "destroy") await destroy(context, row);
    else if (action === "pause") await beginPause(row, reason);
    else await beginStop(row, reason);
  }

  async function beginStop(row: EnvironmentRow, reason: string): Promise<boolean> {
    if (!(await rows.annotate(row.id, "running", STOPPING))) return false;
    context.faults.hit("stop.row");
    changed(context, row);
    // A recovery may still be trying to take its machine over: the stop does not wait for that.
    if (!context.live.has(row.id)) void context.work.abort(row.id);
    void context.work.begin(row.id, (signal) => stop(context, row.id, signal, reason));
    return true;
  }

  async function beginPause(row: EnvironmentRow, reason: string): Promise<EnvironmentRow | null> {
    const { snapshots } = context;
    if (snapshots === null) {
      throw new PlatformError(
        "UNSUPPORTED",
        `'${row.name}' cannot be paused, because the driver '${driver.name}' keeps no memory: stop it instead`,
      );
    }
    const { machineId } = row;
    if (machineId === null || !context.live.has(row.id)) {
      throw new PlatformError("GUEST_UNREACHABLE", `'${row.name}' is not connected: try again in a moment`);
    }
    const saveId = random.id(16);
    const asked = await rows.transition(row.id, ["running"], "running", { reason: PAUSING, saveId });
    if (asked === null) return null;
    context.faults.hit("pause.row");
    changed(context, row);
    const saving = { ...asked, machineId, saveId };
    void context.work.begin(row.id, (signal) => pause(context, { row: saving, reason, snapshots, signal }));
    return asked;
  }

  /** Room on the host for what somebody waits for; the pool gives way to it. */
  async function reserve(id: EnvironmentId, demand: Demand): Promise<void> {
    for (;;) {
      try {
        return await context.admission.reserve(id, demand);
      } catch (error) {
        const isShort = error instanceof PlatformError && error.code === "HOST_OUT_OF_MEMORY";
        if (!isShort || !(await context.pool.giveWay())) throw error;
      }
    }
  }

  async function agentOf(id: EnvironmentId, { signal, timeoutMs = AGENT_TIMEOUT_MS }: AgentOptions = {}) {
    const { machine } = await ready(id);
    context.foreground.met(id);
    return machine.agent({ timeoutMs, ...(signal === undefined ? {} : { signal }) });
  }

  /** Whoever looks next asks the guest. */
  function forgetTerminals(id: EnvironmentId): void {
    const live = context.live.get(id);
    if (live !== undefined) live.knownUntil = 0;
    context.lifetimes.note(id);
  }

  function beginBoot(row: EnvironmentRow, isFresh: boolean): void {
    void context.work
      .begin(row.id, (signal) => boot(context, row, { isResumed: false, isFresh, signal }))
      .finally(() => context.admission.release(row.id));
  }

  async function insert(owner: OwnerId, request: CreateEnvironment, made: Made): Promise<EnvironmentRow> {
    const { id, shape } = made;
    const now = clock.now();
    const idleTimeoutSeconds = request.idleTimeoutSeconds ?? options.idleTimeoutSeconds ?? 0;
    const ttlSeconds = request.ttlSeconds ?? options.ttlSeconds ?? 0;
    for (let tries = 0; ; tries++) {
      const row: EnvironmentRow = {
        id,
        name: request.name ?? randomName(random, tries),
        owner,
        state: "creating",
        reason: FIRST_STEP,
        driver: driver.name,
        ...shape,
        machineId: null,
        diskId: id,
        saveId: null,
        idleTimeoutSeconds: idleTimeoutSeconds === 0 ? null : idleTimeoutSeconds,
        expiresAt: ttlSeconds === 0 ? null : new Date(now + ttlSeconds * 1000).toISOString(),
        createdAt: new Date(now).toISOString(),
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

  let hasBegun = false;
  const service: EnvironmentService = {
    async recover() {
      const report = await recover(context);
      if (!hasBegun) {
        hasBegun = true;
        templates.begin();
        context.pool.begin();
        context.lifetimes.begin(context.closing.signal);
      }
      return report;
    },
    subscribe: (listener) => context.changes.subscribe(listener),
    agentOf,

    async create(owner, request, { id: asked } = {}) {
      const id = asked ?? EnvironmentId.parse(random.id(12));
      // Only an id that was asked for can be there already.
      const existing = asked === undefined ? null : await rows.get(id, owner);
      if (existing !== null) return view(existing);
      const shape = shapeOf(request);
      // A machine of the pool has its room; should it be gone by then, the row says what happened.
      const isPooled = shape.size !== null && context.pool.has(shape.size);
      const diskMib = driver.capabilities.supportsDisk ? shape.diskMib : 0;
      if (!isPooled) await reserve(id, { ...shape, diskMib });
      let row: EnvironmentRow;
      try {
        row = await insert(owner, request, { id, shape });
      } catch (error) {
        context.admission.release(id);
        throw error;
      }
      context.faults.hit("create.row");
      beginBoot(row, true);
      changed(context, row);
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
      if (row.state === "destroying") throw refusal(row, "it cannot be started");
      const isPaused = row.state === "paused";
      const needsDisk = !isPaused && driver.capabilities.supportsDisk;
      const diskMib = needsDisk && !(await driver.listDisks()).includes(row.diskId) ? row.diskMib : 0;
      await reserve(row.id, { memoryMib: row.memoryMib, cpus: row.cpus, diskMib });
      let started: EnvironmentRow | null = null;
      try {
        const from = isPaused ? (["paused"] as const) : (["stopped", "failed"] as const);
        const reason = isPaused ? stepReason("resume", { isResumed: false, retry: null }) : FIRST_STEP;
        started = await rows.transition(row.id, from, "creating", { reason });
        // Another request was faster: what it made of it is the answer.
        if (started === null) return await service.get(owner, row.id);
        context.faults.hit("start.row");
        changed(context, started);
        beginBoot(started, false);
        return await view(started);
      } finally {
        if (started === null && !context.work.isBusy(row.id)) context.admission.release(row.id);
      }
    },

    async stop(owner, reference) {
      const row = await require(owner, reference);
      if (row.state === "stopped" || row.state === "failed") return view(row);
      if (row.state === "paused") {
        const patch = { reason: "stopped while it was paused", saveId: null };
        const stopped = await rows.transition(row.id, ["paused"], "stopped", patch);
        if (stopped === null) return service.get(owner, row.id);
        forget(context, row);
        changed(context, row);
        return view(stopped);
      }
      if (row.state !== "running") throw refusal(row, "it cannot be stopped");
      if (row.reason === PAUSING) throw refusal(row, "it is being paused");
      if (row.reason === STOPPING && context.work.isBusy(row.id)) return view(row);
      // Another request may have changed it since it was read: then that is the answer.
      if (!(await beginStop(row, "stopped by its owner"))) return service.get(owner, row.id);
      return view({ ...row, reason: STOPPING });
    },

    async pause(owner, reference) {
      const row = await require(owner, reference);
      if (row.state === "paused" || (row.state === "running" && row.reason === PAUSING)) return view(row);
      if (row.state !== "running") throw refusal(row, "only a running one can be paused");
      if (row.reason === STOPPING) throw refusal(row, "it is being stopped");
      const asked = await beginPause(row, "paused by its owner");
      return asked === null ? service.get(owner, row.id) : view(asked);
    },

    async resume(owner, reference) {
      const row = await require(owner, reference);
      if (row.state === "stopped" || row.state === "failed") {
        throw refusal(row, "its memory is not kept; 'start' boots it with its disk");
      }
      return service.start(owner, row.id);
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
      const { id } = await require(owner, reference);
      if (asked?.isUse !== false) context.lifetimes.note(id);
      return agentOf(id, asked);
    },

    noteActivity: (id) => context.lifetimes.note(id),
    count: (owner) => rows.count(owner),
    templates: () => [...templates.status()],
    pool: () => context.pool.status(),

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
      forgetTerminals(row.id);
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
      forgetTerminals(row.id);
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
      context.pool.close();
      await settled(clock, 5_000, Promise.all([context.work.close(), ...context.destroys.values()]));
      context.live.clear();
    },
  };
  return service;
}

interface Made {
  readonly id: EnvironmentId;
  readonly shape: Shape;
}

function refusal(row: EnvironmentRow, why: string): PlatformError {
  return new PlatformError("ENVIRONMENT_STATE", `'${row.name}' is ${row.state}: ${why}`, {
    details: { state: row.state },
  });
}
