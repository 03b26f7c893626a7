/** The terminals of one environment on this page: those that are looked at, and those behind them. */
import type { Terminal } from "@microterm/protocol";
import { followBusy } from "./running.ts";
import { openSession, type Session, type SessionOptions } from "./session.ts";

/** Hidden tabs connect after the visible one. */
const HIDDEN_AFTER_MS = 400;

export interface Sessions {
  /** The one of this terminal; null before it is known. */
  of(terminal: string): Session | null;
  /** Opens those of new terminals, closes those of terminals that are gone. */
  sync(terminals: readonly Terminal[]): void;
  /** The environment goes on after a pause: each terminal at its next byte. */
  attachAll(): void;
  dispose(): void;
}

interface Entry {
  readonly unfollow: () => void;
  readonly keptAs: string;
  readonly session: Session;
}

type Shared = Pick<SessionOptions, "client" | "environment" | "renderer" | "keys" | "onPageKey">;

export const createSessions = (shared: Shared, name: string): Sessions => {
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
        terminals.map(({ id, createdAt }) => [id, `${shared.environment}.${id}.${createdAt}`]),
      );
      for (const [id, { keptAs }] of entries) if (wanted.get(id) !== keptAs) close(id, true);
      for (const [id, keptAs] of wanted) {
        if (entries.has(id)) continue;
        const session = openSession({ ...shared, terminal: id, keptAs, label: `Terminal of ${name}` });
        const unfollow = followBusy(shared.environment, id, () => session.get().isBusy);
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
        else if (phase === "reconnecting") session.reconnectNow();
      }
    },
    dispose() {
      for (const timer of timers) clearTimeout(timer);
      for (const id of [...entries.keys()]) close(id, false);
    },
  };
};
