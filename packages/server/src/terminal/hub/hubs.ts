import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { EnvironmentService, GuestTerminal } from "@microterm/core";
import { type EnvironmentId, type EnvironmentState, PlatformError } from "@microterm/protocol";
import { CLOSE } from "../../auth/live-connections.ts";
import { runOutsideRequest } from "../../telemetry/request-context.ts";
import type { KeptPlaces } from "../kept-places.ts";
import { createRecordings, type FindRoom, type Recordings } from "../recording/recordings.ts";
import { createKeptScreens } from "../screen/kept-screens.ts";
import { createModelHost } from "../screen/model-host.ts";
import { createSharedScreens, OWN_SCREENS } from "../screen/shared-screens.ts";
import { TerminalHub } from "./hub.ts";
import type { TerminalTotals } from "./hub-options.ts";

/** Recordings of an environment that is not there yet after a start are looked after this often, for so long. */
const RESUME_EVERY_MS = 1000;
const RESUME_TRIES = 120;
const STOP_WAIT_MS = 1000;
/** Terminals of one environment that are followed at a time: 64 may run in a guest, and as many have ended. */
const MAX_HUBS = 128;

export interface TerminalHubs {
  /** A client is about to come: what the first one takes longer for is done now. */
  warm(): void;
  readonly recordings: Recordings;
  /** Goes on with those of environments that have come to this server. Never rejects. */
  resumeRecordings(): Promise<void>;
  /** The hub of a terminal that has one. */
  find(environment: EnvironmentId, terminal: string): Promise<TerminalHub | null>;
  /** The hub of a terminal, asked of the guest. Rejects as `agentOf`, and with `TERMINAL_NOT_FOUND`. */
  open(environment: EnvironmentId, terminal: string): Promise<TerminalHub>;
  /** The hub of a terminal as the guest describes it now. */
  of(environment: EnvironmentId, terminal: GuestTerminal): Promise<TerminalHub>;
  /** These are all that the guest has: what is kept of others goes. */
  listed(environment: EnvironmentId, terminals: readonly GuestTerminal[]): void;
  /** What is kept of a terminal that was closed goes. */
  forget(environment: EnvironmentId, terminal: string): void;
  /** For the operator's figures. */
  totals(): Readonly<TerminalTotals> & { readonly terminals: number };
  /** Keeps every screen for the next server. */
  stop(): Promise<void>;
}

export interface TerminalHubsOptions extends KeptPlaces {
  readonly environments: EnvironmentService;
  /** The server's own folder. */
  readonly folder: string;
  readonly log: { error(fields: object, message: string): void };
  /** Rows that a terminal keeps above its screen. */
  readonly scrollback: number;
  /** null when there is no such environment. */
  readonly stateOf: (id: EnvironmentId) => Promise<EnvironmentState | null>;
  readonly recordingRoom: FindRoom;
  /** A client typed into a terminal of it. */
  readonly onInput: (id: EnvironmentId) => void;
}

/** One hub a terminal, made when it is first needed, kept while its machine is there. */
export function createTerminalHubs(options: TerminalHubsOptions): TerminalHubs {
  const { environments, log, stateOf, onInput } = options;
  const failed = (error: unknown): void =>
    log.error({ err: error }, "what was kept of a terminal could not be removed");
  const screens = createKeptScreens(join(options.folder, "screens"), failed);
  const shared =
    options.keptScreens === null
      ? OWN_SCREENS
      : createSharedScreens(options.keptScreens, screens, (error) =>
          log.error({ err: error }, "a terminal's screen was not kept for other servers"),
        );
  const models = createModelHost(log, { kept: shared.kept });
  const recordings = createRecordings(options.recordings, options.recordingRoom);
  const hubs = new Map<string, Promise<TerminalHub>>();
  const totals: TerminalTotals = { clients: 0, outputBytes: 0, inputBytes: 0 };
  let isStopping = false;

  const removeAllOf = (id: string): void => {
    screens.removeAll(id);
    shared.forget(id as EnvironmentId);
    options.recordings.removeEnvironment(id).catch(failed);
  };

  const failedToResume = (error: unknown): void =>
    log.error({ err: error }, "what is kept of terminals could not be looked through");
  const lookThrough = async (): Promise<void> => {
    for (const id of new Set([...screens.environments(), ...options.recordings.environments()])) {
      // It went while no server was there to see it.
      if ((await stateOf(id as EnvironmentId)) === null) removeAllOf(id);
    }
  };
  lookThrough().catch(failedToResume);

  const resuming = new Set<EnvironmentId>();
  async function resumeRecordings(): Promise<void> {
    const places = Map.groupBy(await options.recordings.enabledHere(), ({ environment }) => environment);
    for (const [id, all] of places) {
      if (resuming.has(id)) continue;
      resuming.add(id);
      const names = all.map(({ terminal }) => terminal);
      resumeAll(id, names)
        .catch(failedToResume)
        .finally(() => resuming.delete(id));
    }
  }

  async function resumeAll(id: EnvironmentId, names: readonly string[]): Promise<void> {
    for (let tries = 0; tries < RESUME_TRIES && !isStopping; tries++) {
      try {
        const there = await (await environments.agentOf(id)).terminals();
        for (const terminal of there) {
          // One whose hub there was already may not have gone on, while the database was away.
          if (names.includes(terminal.id)) await recordings.resume(id, terminal.id, await of(id, terminal));
        }
        return;
      } catch {
        await delay(RESUME_EVERY_MS, undefined, { ref: false });
      }
    }
  }

  const unsubscribe = environments.subscribe(({ kind, id }) => {
    if (kind !== "removed") return;
    const closing = [...hubs]
      .filter(([key]) => key.startsWith(`${id}/`))
      .map(async ([, opening]) => {
        const hub = await opening;
        hub.close(GONE, false);
        await hub.ended;
      });
    // Once nothing is written any more.
    Promise.allSettled(closing)
      .then(() => removeAllOf(id))
      .catch(failed);
  });

  async function open(id: EnvironmentId, terminal: GuestTerminal, key: string): Promise<TerminalHub> {
    await shared.fetch({ environment: id, terminal: terminal.id }, terminal.createdUnixMs);
    const hub = await TerminalHub.open({
      terminal,
      models,
      totals,
      scrollback: options.scrollback,
      path: screens.pathOf(id, terminal.id),
      agent: () => environments.agentOf(id),
      isEnvironmentPaused: async () => PAUSED.has(await stateOf(id)),
      onChange: (listener) =>
        environments.subscribe((change) => {
          if (change.id === id) listener();
        }),
      onInput: () => onInput(id),
      broke: (error) =>
        log.error({ err: error, environment: id, terminal: terminal.id }, "an exception cost a terminal its clients"),
      onOver: () => {
        hubs.delete(key);
      },
    });
    // The terminal is there, whatever has become of its recording.
    await recordings.resume(id, terminal.id, hub).catch((error: unknown) => {
      log.error({ err: error, environment: id, terminal: terminal.id }, "a recording could not be continued");
    });
    return hub;
  }

  function assertRoom(id: EnvironmentId): void {
    const count = [...hubs.keys()].filter((key) => key.startsWith(`${id}/`)).length;
    if (count < MAX_HUBS) return;
    throw new PlatformError("TOO_MANY", `${count} terminals of this environment are open already: close some of them.`);
  }

  async function of(id: EnvironmentId, terminal: GuestTerminal): Promise<TerminalHub> {
    const key = `${id}/${terminal.id}`;
    const there = await hubs.get(key)?.catch(() => undefined);
    if (there !== undefined && !there.isOver) {
      if (there.createdUnixMs === terminal.createdUnixMs) return there;
      there.close(GONE, false);
    }
    if (!hubs.has(key)) assertRoom(id);
    const opening = hubs.get(key) ?? runOutsideRequest(() => open(id, terminal, key));
    hubs.set(key, opening);
    opening.catch(() => hubs.delete(key));
    return opening;
  }

  const find = async (id: EnvironmentId, terminal: string): Promise<TerminalHub | null> =>
    (await hubs.get(`${id}/${terminal}`)?.catch(() => null)) ?? null;

  const listed = (id: EnvironmentId, there: readonly GuestTerminal[]): void => {
    screens.prune(id, there, (terminal) => hubs.has(`${id}/${terminal}`));
    shared.prune(
      id,
      there.map((terminal) => terminal.id),
    );
  };

  return {
    recordings,
    resumeRecordings: () => resumeRecordings().catch(failedToResume),
    listed,
    totals: () => ({ ...totals, terminals: hubs.size }),
    warm: () => models.begin(),
    of,
    find,
    async open(id, name) {
      const there = await (await environments.agentOf(id)).terminals();
      listed(id, there);
      const terminal = there.find((one) => one.id === name);
      if (terminal === undefined) {
        throw new PlatformError("TERMINAL_NOT_FOUND", `The environment has no terminal '${name}'.`);
      }
      return of(id, terminal);
    },
    forget(id, terminal) {
      const opening = hubs.get(`${id}/${terminal}`);
      opening?.then((hub) => hub.close(GONE, false)).catch(() => undefined);
      screens.remove(id, terminal);
      shared.remove({ environment: id, terminal });
    },
    async stop() {
      isStopping = true;
      unsubscribe();
      for (const opening of [...hubs.values()]) {
        // One that is only being opened may take long, and has nothing to keep.
        const late = delay(STOP_WAIT_MS, null, { ref: false });
        const hub = await Promise.race([opening.catch(() => null), late]);
        hub?.close({ code: CLOSE.serverShutdown, reason: "the server is shutting down" }, true);
        await hub?.ended;
      }
      await models.stop();
      await shared.flush();
    },
  };
}

/** The terminals of an environment that is paused go on later; `creating` is how it comes back. */
const PAUSED: ReadonlySet<EnvironmentState | null> = new Set<EnvironmentState | null>(["paused", "creating"]);
const GONE = { code: CLOSE.environmentGone, reason: "the terminal is gone" };
