import type { EnvironmentId, OwnerId } from "@microterm/protocol";
import type { Log } from "../../ports/clock.ts";

/** `changed`: read it again. `removed`: it is gone, and its receipt can be had. `transferred`: `owner` has it no longer. */
export interface Change {
  readonly kind: "changed" | "removed" | "transferred";
  readonly id: EnvironmentId;
  readonly owner: OwnerId;
}

/** Called at once and in order; must not throw and must not wait. */
export type ChangeListener = (change: Change) => void;

export interface Changes {
  subscribe(listener: ChangeListener): () => void;
  emit(change: Change): void;
  /** Changes of it are its new owner's from now on, also those that are reported by who knew it before. */
  moved(id: EnvironmentId, owner: OwnerId): void;
}

export function createChanges(log: Log): Changes {
  const listeners = new Set<ChangeListener>();
  const owners = new Map<EnvironmentId, OwnerId>();
  return {
    subscribe(listener) {
      // Wrapped, so that one function subscribed twice is two subscriptions.
      const own: ChangeListener = (change) => listener(change);
      listeners.add(own);
      return () => {
        listeners.delete(own);
      };
    },
    moved: (id, owner) => void owners.set(id, owner),
    emit(reported) {
      const owner = reported.kind === "transferred" ? reported.owner : (owners.get(reported.id) ?? reported.owner);
      const change = { ...reported, owner };
      if (change.kind === "removed") owners.delete(change.id);
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
