import type { EnvironmentId, OwnerId } from "@microterm/protocol";
import type { Log } from "../../ports/clock.ts";
import type { Fleet } from "../../ports/fleet.ts";

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
  /** What was done here: peers are told as well. */
  emit(change: Change): void;
  /** What a peer has done. */
  hear(change: Change): void;
  /** Changes of it are its new owner's from now on, also those that are reported by who knew it before. */
  moved(id: EnvironmentId, owner: OwnerId): void;
  /** Of what was told of so far, and is there still as far as is known here. A copy. */
  owners(): ReadonlyMap<EnvironmentId, OwnerId>;
}

export function createChanges(log: Log, fleet: Pick<Fleet, "notify">): Changes {
  const listeners = new Set<ChangeListener>();
  const owners = new Map<EnvironmentId, OwnerId>();
  function tell(change: Change): void {
    if (change.kind === "removed") owners.delete(change.id);
    else if (change.kind === "changed" && !owners.has(change.id)) owners.set(change.id, change.owner);
    for (const listener of [...listeners]) {
      try {
        listener(change);
      } catch (error) {
        log.error("a listener of environment changes threw", { error: String(error) });
      }
    }
  }

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
    owners: () => new Map(owners),
    hear: tell,
    emit({ kind, id, owner }) {
      const now = owners.get(id) ?? owner;
      if (kind === "transferred") {
        fleet.notify({ kind, id, owner, to: now });
        return tell({ kind, id, owner });
      }
      fleet.notify({ kind, id, owner: now });
      tell({ kind, id, owner: now });
    },
  };
}
