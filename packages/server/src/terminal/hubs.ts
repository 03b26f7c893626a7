import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { EnvironmentService, GuestTerminal } from "@microterm/core";
import type { EnvironmentId, EnvironmentState } from "@microterm/protocol";
import { CLOSE } from "../auth/live-connections.ts";
import { TerminalHub } from "./hub.ts";
import { createModelHost } from "./model-host.ts";

export interface TerminalHubs {
  /** The hub of a terminal as the guest describes it now. */
  of(environment: EnvironmentId, terminal: GuestTerminal): Promise<TerminalHub>;
  /** What is kept of a terminal that was closed goes. */
  forget(environment: EnvironmentId, terminal: string): void;
  /** Keeps every screen for the next server. */
  stop(): Promise<void>;
}

export interface TerminalHubsOptions {
  readonly environments: EnvironmentService;
  /** The server's own folder. */
  readonly folder: string;
  readonly log: { error(fields: object, message: string): void };
  /** null when there is no such environment. */
  readonly stateOf: (id: EnvironmentId) => Promise<EnvironmentState | null>;
  /** Somebody typed into a terminal of it. */
  readonly onInput: (id: EnvironmentId) => void;
}

/** One hub a terminal, made when somebody first needs it, kept while its machine is there. */
export function createTerminalHubs(options: TerminalHubsOptions): TerminalHubs {
  const { environments, log, stateOf, onInput } = options;
  const screens = join(options.folder, "screens");
  mkdirSync(screens, { recursive: true, mode: 0o700 });
  const models = createModelHost(log);
  const hubs = new Map<string, Promise<TerminalHub>>();

  const removeEnvironmentFiles = (id: string): void => {
    rmSync(join(screens, id), { recursive: true, force: true });
  };

  // Environments that went while no server was there to see it.
  void (async () => {
    for (const id of readdirSync(screens)) {
      if ((await stateOf(id as EnvironmentId)) === null) removeEnvironmentFiles(id);
    }
  })().catch((error: unknown) => log.error({ err: error }, "screens of removed environments could not be removed"));

  const unsubscribe = environments.subscribe(({ kind, id }) => {
    if (kind !== "removed") return;
    for (const [key, opening] of hubs) {
      if (!key.startsWith(`${id}/`)) continue;
      void opening.then((hub) => hub.close(GONE, false)).catch(() => undefined);
    }
    removeEnvironmentFiles(id);
  });

  async function open(id: EnvironmentId, terminal: GuestTerminal, key: string): Promise<TerminalHub> {
    const hub = await TerminalHub.open({
      terminal,
      models,
      path: join(screens, id, `${terminal.id}.json`),
      agent: () => environments.agentOf(id, { isUse: false }),
      isAsleep: async () => ASLEEP.has(await stateOf(id)),
      onInput: () => onInput(id),
      onOver: () => {
        hubs.delete(key);
      },
    });
    return hub;
  }

  return {
    async of(id, terminal) {
      const key = `${id}/${terminal.id}`;
      const there = await hubs.get(key)?.catch(() => undefined);
      if (there !== undefined && !there.isOver) {
        if (there.createdUnixMs === terminal.createdUnixMs) return there;
        there.close(GONE, false);
      }
      const opening = hubs.get(key) ?? open(id, terminal, key);
      hubs.set(key, opening);
      opening.catch(() => hubs.delete(key));
      return opening;
    },
    forget(id, terminal) {
      const opening = hubs.get(`${id}/${terminal}`);
      void opening?.then((hub) => hub.close(GONE, false)).catch(() => undefined);
      rmSync(join(screens, id, `${terminal}.json`), { force: true });
    },
    async stop() {
      unsubscribe();
      for (const opening of [...hubs.values()]) {
        const hub = await opening.catch(() => null);
        hub?.close({ code: CLOSE.serverShutdown, reason: "the server is shutting down" }, true);
      }
      await models.stop();
    },
  };
}

/** The terminals of an environment that is paused go on later; `creating` is how it comes back. */
const ASLEEP: ReadonlySet<EnvironmentState | null> = new Set<EnvironmentState | null>(["paused", "creating"]);
const GONE = { code: CLOSE.environmentGone, reason: "the terminal is gone" };
