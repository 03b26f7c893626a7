import type { EnvironmentId } from "@microterm/protocol";
import { describeError } from "../../messages/describe-error.ts";
import type { Log } from "../../ports/clock.ts";
import type { Storage } from "../../ports/repository.ts";

/** Of a server that is alone; 64 KiB each at most. */
const CONSOLES_KEPT = 32;

/** The last consoles of machines that are gone: in memory, or for all servers of a fleet in its database, where they go with their environments. */
export interface Consoles {
  /** Null: none is kept. */
  find(id: EnvironmentId): Promise<Uint8Array | null>;
  /** Never rejects. */
  keep(id: EnvironmentId, tail: Uint8Array): Promise<void>;
  /** There is a newer machine. Never rejects. */
  drop(id: EnvironmentId): Promise<void>;
  /** The environment is gone. */
  forget(id: EnvironmentId): void;
}

export const createConsoles = (storage: Pick<Storage, "consoles" | "fleet">, log: Log): Consoles =>
  storage.fleet.number === null ? inMemory() : inDatabase(storage.consoles, log);

function inMemory(): Consoles {
  /** Newest last. */
  const kept = new Map<EnvironmentId, Uint8Array>();
  return {
    find: async (id) => kept.get(id) ?? null,
    async keep(id, tail) {
      kept.delete(id);
      kept.set(id, tail);
      for (const oldest of kept.keys()) {
        if (kept.size <= CONSOLES_KEPT) break;
        kept.delete(oldest);
      }
    },
    async drop(id) {
      kept.delete(id);
    },
    forget: (id) => void kept.delete(id),
  };
}

function inDatabase(rows: Storage["consoles"], log: Log): Consoles {
  // It explains an end, and is no reason for anything else to fail.
  const failed = (error: unknown): void => log.warn("a console was not kept", { error: describeError(error) });
  return {
    find: (id) => rows.get(id),
    keep: (id, tail) => rows.put(id, tail).catch(failed),
    drop: (id) => rows.remove(id).catch(failed),
    forget: () => {},
  };
}
