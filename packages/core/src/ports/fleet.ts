/** A server of the fleet, as its peers reach it. */
export interface PeerServer {
  readonly number: number;
  /** `host:port`. */
  readonly address: string;
}

/** The servers on one database, as this one sees them. `NO_FLEET` where it is alone. */
export interface Fleet {
  /** This server's; null: it is alone, and every environment is its own. */
  readonly number: number | null;
  /** The others that live. */
  peers(): readonly PeerServer[];
}

/** One server has its database for itself. */
export const NO_FLEET: Fleet = { number: null, peers: () => [] };
