import type { EnvironmentId, MachineId, OwnerId } from "@microterm/protocol";

/** A server of the fleet, as its peers reach it. */
export interface PeerServer {
  readonly number: number;
  /** `host:port`. */
  readonly address: string;
}

/** What servers tell each other, by ids alone: whoever is told reads the database. */
export type FleetNotice =
  | { readonly kind: "changed" | "removed"; readonly id: EnvironmentId; readonly owner: OwnerId }
  /** `owner` has it no longer, and `to` has it. */
  | { readonly kind: "transferred"; readonly id: EnvironmentId; readonly owner: OwnerId; readonly to: OwnerId }
  /** Its row says what its holder shall do. */
  | { readonly kind: "work"; readonly id: EnvironmentId }
  /** There are environments that nobody holds, and machines that wait in nobody's pool. */
  | { readonly kind: "orphans" }
  /**
   * By its key: a credential's hash, which has ended or whose account is another than it was; the hash of what opened a preview, which has ended; a
   * grant of a shared terminal, which is another than it was or has ended.
   */
  | { readonly kind: "revoked" | "preview" | "grant"; readonly key: string }
  /** An account was disabled. */
  | { readonly kind: "disabled" }
  /** A peer has died: what it had done last it may have told nobody. */
  | { readonly kind: "died" }
  /** Notices were lost, as the database was away: anything may have changed. */
  | { readonly kind: "missed" };

export type FleetListener = (notice: FleetNotice) => void;

/**
 * The servers on one database, as this one sees them. `NO_FLEET` where it is alone.
 *
 *   holder  the one server that has an environment's machine, executes what is asked of it and watches its lifetimes
 *   peer    another server of the fleet
 *
 * An environment that is created or started is held by the server that does it: `EnvironmentRepository` notes that with each transition, and
 * refuses those of an environment that a peer holds. One at rest has no holder. When a server ends, in whatever way, what it held has none until
 * others have claimed it.
 */
export interface Fleet {
  /** This server's, as long as it lives; null: it is alone, and every environment is its own. */
  readonly number: number | null;
  /** The others that live. */
  peers(): readonly PeerServer[];
  /** The peer of a number, also one that has just come. Null: it is this server's, or there is none any more. */
  peer(number: number): Promise<PeerServer | null>;
  /** Tells the peers, in the background. */
  notify(notice: FleetNotice): void;
  /** Calls with what peers tell, in order. A listener must not throw and must not wait. Returns what ends it. */
  subscribe(listener: FleetListener): () => void;
  /** Has this server hold its share of the environments that nobody holds and that are not at rest. Resolves with how many it got. */
  claim(): Promise<number>;
  readonly pooled: PooledMachines;
}

/** Machines that wait in the pool of some server: no other may claim or remove them. Gone with their server. */
export interface PooledMachines {
  /** Before the machine is made. */
  add(machineId: MachineId): Promise<void>;
  /** Once an environment's row has it, or nothing is left of it. Safe to repeat. */
  remove(machineId: MachineId): Promise<void>;
  /** Of all servers. */
  list(): Promise<readonly MachineId[]>;
}

/** One server has its database for itself. */
export const NO_FLEET: Fleet = {
  number: null,
  peers: () => [],
  peer: async () => null,
  notify: () => {},
  subscribe: () => () => {},
  claim: async () => 0,
  pooled: { add: async () => {}, remove: async () => {}, list: async () => [] },
};

/** Whether a peer holds it: what is to be done to it is the peer's to do. */
export const isHeldByPeer = (
  { number }: Pick<Fleet, "number">,
  { server }: { readonly server: number | null },
): boolean => number !== null && server !== null && server !== number;

/** Whether this server looks after it. */
export const isHeldHere = (
  { number }: Pick<Fleet, "number">,
  { server }: { readonly server: number | null },
): boolean => number === null || server === number;
