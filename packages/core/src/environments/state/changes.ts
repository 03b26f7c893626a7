import type { EnvironmentId, OwnerId } from "@microterm/protocol";
import type { Log } from "../../ports/clock.ts";

/** `changed`: read it again. `removed`: it is gone, and its receipt can be had. */
export interface Change {
  readonly kind: "changed" | "removed";
  readonly id: EnvironmentId;
  readonly owner: OwnerId;
}

/** Called at once and in order; must not throw and must not wait. */
export type ChangeListener = (change: Change) => void;

export interface Changes {
  subscribe(listener: ChangeListener): () => void;
  emit(change: Change): void;
}

export function createChanges(log: Log): Changes {
  const listeners = new Set<ChangeListener>();
  return {
    subscribe(listener) {
      // Wrapped, so that one function subscribed twice is two subscriptions.
      const own: ChangeListener = (change) => listener(change);
      listeners.add(own);
      return () => {
        listeners.delete(own);
      };
    },
    emit(change) {
      for (const listener of [...listeners]) {
        try {
          listener(change);
        } catch (error) {
          log.error("a listener of environment changes threw", { error: String(error) });
        }
      }
    },
  };
}
