import {
  type BootStep,
  type CreateEnvironment,
  EnvironmentId,
  type OwnerId,
  PlatformError,
  type Receipt,
  type Size,
  TerminalId,
} from "@microterm/protocol";
import { createLifetimes } from "../lifetime/lifetimes.ts";
import { createPool } from "../pool/pool.ts";
import type { EnvironmentRow } from "../ports/repository.ts";
import { createTemplates } from "../templates/templates.ts";
import { settled, withDeadline } from "../time/deadline.ts";
import { createAdmission, reserveBeforePool } from "./admission.ts";
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
import { toTerminal } from "./first-terminal.ts";
import { createForeground } from "./foreground.ts";
import type { Foundation } from "./foundation.ts";
import { imageStatus, pruneImages } from "./images.ts";
import { requireAnswer } from "./liveness.ts";
import { randomName } from "./names.ts";
import { createPower, refusal } from "./power.ts";
import { recover } from "./recover.ts";
import { type Shape, shapeOf } from "./shape.ts";
import { askTerminals, toEnvironment } from "./view.ts";
import { waitFor } from "./wait.ts";
import { createWork } from "./work.ts";

const AGENT_TIMEOUT_MS = 5_000;
const CONSOLE_TIMEOUT_MS = 5_000;
/** With their suffix the last names are one of millions. */
const NAME_TRIES = 12;

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
  const recipes = options.storage.templates;
  const templates = createTemplates(foundation, {
    isEnabled: options.templates ?? false,
    recipes,
    removed: () => void pruneImages(context),
  });
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
      end: (action, row, reason) => power.end(action, row, reason),
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
      const gone = await rows.receipt(reference, owner);
      if (gone !== null) throw removed(gone);
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
    const live = await ready(id);
    context.foreground.met(id);
    await requireAnswer(context, live);
    return live.machine.agent({ timeoutMs, ...(signal === undefined ? {} : { signal }) });
  }

  /** The next request that needs it asks the guest. */
  function forgetTerminals(id: EnvironmentId): void {
    const live = context.live.get(id);
    if (live !== undefined) live.knownUntil = 0;
    context.lifetimes.note(id);
  }

  function beginBoot(row: EnvironmentRow, how: { readonly isFresh: boolean; readonly hasRoom: boolean }): void {
    void context.work
      .begin(row.id, (signal) => boot(context, row, { isResumed: false, ...how, signal }))
      .finally(() => context.admission.release(row.id));
  }

  /** What it begins with, as far as one can tell now. */
  function firstStep(size: Size | null): BootStep {
    if (size !== null && context.pool.has(size)) return "claim";
    return size !== null && templates.keyOf(size) !== null ? "restore" : "disk";
  }

  /** A machine of the pool has its name, and a prompt that shows it. */
  const offeredName = (size: Size | null): string | null => (size === null ? null : context.pool.offerName(size));

  async function insert(owner: OwnerId, request: CreateEnvironment, made: Made): Promise<EnvironmentRow> {
    const { id, shape } = made;
    const now = clock.now();
    const idleTimeoutSeconds = request.idleTimeoutSeconds ?? options.idleTimeoutSeconds ?? 0;
    const ttlSeconds = request.ttlSeconds ?? options.ttlSeconds ?? 0;
    for (let tries = 0; ; tries++) {
      const row: EnvironmentRow = {
        id,
        name: request.name ?? (tries === 0 ? offeredName(shape.size) : null) ?? randomName(random, tries),
        owner,
        state: "creating",
        operation: "start",
        step: firstStep(shape.size),
        interruptions: 0,
        reason: null,
        driver: driver.name,
        ...shape,
        machineId: null,
        diskId: id,
        image: driver.images?.current ?? null,
        saveId: null,
        idleTimeoutSeconds: idleTimeoutSeconds === 0 ? null : idleTimeoutSeconds,
        expiresAt: endOf(now, ttlSeconds),
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

  const power = createPower(context, { require, view, beginBoot });
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
      // A machine of the pool has its room already.
      const isPooled = shape.size !== null && context.pool.has(shape.size);
      const diskMib = driver.capabilities.supportsDisk ? shape.diskMib : 0;
      if (!isPooled) await reserveBeforePool(context, id, { ...shape, diskMib });
      let row: EnvironmentRow;
      try {
        row = await insert(owner, request, { id, shape });
      } catch (error) {
        context.admission.release(id);
        throw error;
      }
      context.faults.hit("create.row");
      beginBoot(row, { isFresh: true, hasRoom: !isPooled });
      changed(context, row);
      return view(row);
    },

    async update(owner, reference, { idleTimeoutSeconds, ttlSeconds }) {
      const row = await require(owner, reference);
      const changedRow = await rows.setTimes(row.id, {
        ...(idleTimeoutSeconds === undefined ? {} : { idleTimeoutSeconds: idleTimeoutSeconds || null }),
        ...(ttlSeconds === undefined ? {} : { expiresAt: endOf(clock.now(), ttlSeconds) }),
      });
      if (changedRow === null) throw refusal({ ...row, state: "destroying" }, "its times cannot be changed");
      if (idleTimeoutSeconds !== undefined) context.lifetimes.began(row.id);
      changed(context, row);
      return view(changedRow);
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

    ...power.actions,

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
    images: () => imageStatus(context),

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
      await settled(clock, 5_000, Promise.all([context.work.close(), templates.ended(), ...context.destroys.values()]));
      context.live.clear();
    },
  };
  return service;
}

function removed({ name, destroyedAt, cause }: Receipt): PlatformError {
  const why = cause === "expiry" ? ", because its time to live was over" : "";
  const when = destroyedAt.replace(/\.\d+Z$/, "Z");
  return new PlatformError("ENVIRONMENT_NOT_FOUND", `'${name}' was removed at ${when}${why}`, {
    details: { removal: { name, at: destroyedAt, cause } },
  });
}

/** 0: never. */
const endOf = (now: number, ttlSeconds: number): string | null =>
  ttlSeconds === 0 ? null : new Date(now + ttlSeconds * 1000).toISOString();

interface Made {
  readonly id: EnvironmentId;
  readonly shape: Shape;
}
