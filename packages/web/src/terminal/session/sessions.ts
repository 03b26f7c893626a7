/** The terminals of one environment on this page: those that are looked at, and those behind them. */
import type { Terminal } from "@microterm/protocol";
import type { Client } from "@microterm/sdk";
import { followBusy } from "./running.ts";
import { openSession, type Session, type SessionOptions } from "./session.ts";

/** Hidden tabs connect after the visible one. */
const HIDDEN_AFTER_MS = 400;

export interface Sessions {
  /** The one of this terminal; null before it is known. */
  of(terminal: string): Session | null;
  /** Opens those of new terminals, closes those of terminals that are gone. */
  sync(terminals: readonly Terminal[]): void;
  /** The environment goes on after a pause, or somebody has signed in again: each terminal at its next byte. */
  attachAll(): void;
  dispose(): void;
}

interface Entry {
  readonly unfollow: () => void;
  readonly keptAs: string;
  readonly session: Session;
}

interface SessionsOptions extends Pick<SessionOptions, "renderer" | "keys" | "onPageKey"> {
  readonly client: Client;
  readonly environment: string;
}

export const createSessions = (
  { client, environment, renderer, keys, onPageKey }: SessionsOptions,
  name: string,
): Sessions => {
  const entries = new Map<string, Entry>();
  const close = (terminal: string, isGone: boolean): void => {
    const { session, unfollow } = entries.get(terminal) ?? {};
    unfollow?.();
    entries.delete(terminal);
    if (isGone) session?.forget();
    session?.dispose();
  };
  const timers = new Set<ReturnType<typeof setTimeout>>();
  return {
    of: (terminal) => entries.get(terminal)?.session ?? null,
    sync(terminals) {
      const wanted = new Map<string, string>(
        terminals.map(({ id, createdAt }) => [id, `${environment}.${id}.${createdAt}`]),
      );
      for (const [id, { keptAs }] of entries) if (wanted.get(id) !== keptAs) close(id, true);
      for (const [id, keptAs] of wanted) {
        if (entries.has(id)) continue;
        const session = openSession({
          ...{ renderer, keys, onPageKey, keptAs, terminal: id, label: `Terminal of ${name}`, isShared: false },
          connect: (request) => client.attachTerminal({ ...request, environment, terminal: id, awaitsSignIn: true }),
        });
        const unfollow = followBusy(environment, id, () => session.get().isBusy);
        entries.set(id, { keptAs, session, unfollow });
        const timer = setTimeout(() => {
          timers.delete(timer);
          session.attach();
        }, HIDDEN_AFTER_MS);
        timers.add(timer);
      }
    },
    attachAll() {
      for (const { session } of entries.values()) {
        const { phase } = session.get();
        if (phase === "ended") session.attach();
        else if (phase === "reconnecting" || phase === "signed-out") session.reconnectNow();
      }
    },
    dispose() {
      for (const timer of timers) clearTimeout(timer);
      for (const id of [...entries.keys()]) close(id, false);
    },
  };
};
