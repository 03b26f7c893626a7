import { Agent, type ClientRequest, type ClientRequestArgs, request as httpRequest } from "node:http";
import type { Duplex } from "node:stream";
import type { Fleet, PeerServer } from "@microterm/core";
import { connectPinned, fingerprintOf, type KeyPair } from "@microterm/host";

/** A peer that is frozen accepts connections, and no more. */
const CONNECT_MS = 2_000;
/** Less than the peer waits between two requests, so that none is sent on a connection that it is closing. */
const IDLE_MS = 20_000;
const MOST_IDLE = 256;
/** A request to a peer that has frozen has no end of its own. */
const LOOK_EVERY_MS = 500;

/** Connections to peers, by TLS 1.3 with the installation's key on both sides. They are kept for the next request. */
export interface PeerConnections {
  /** As Node's own. Its `socket` comes once there is a connection: before that nothing of it was sent. */
  request(peer: PeerServer, options: ClientRequestArgs): ClientRequest;
  dispose(): void;
}

export interface PeerConnectionsOptions {
  readonly fleet: Pick<Fleet, "peers">;
  readonly identity: KeyPair;
}

export function createPeerConnections({ fleet, identity }: PeerConnectionsOptions): PeerConnections {
  const agents = new Map<number, PeerAgent>();
  /** What is under way to a peer that is gone ends. */
  const timer = setInterval(() => {
    const living = new Set(fleet.peers().map(({ number }) => number));
    for (const [number, agent] of agents) {
      if (living.has(number)) continue;
      agents.delete(number);
      agent.end();
    }
  }, LOOK_EVERY_MS);
  timer.unref();
  return {
    request(peer, options) {
      const agent = agents.get(peer.number) ?? new PeerAgent(peer, identity);
      agents.set(peer.number, agent);
      return httpRequest({ ...options, agent, setHost: false, insecureHTTPParser: false });
    },
    dispose() {
      clearInterval(timer);
      for (const agent of agents.values()) agent.end();
      agents.clear();
    },
  };
}

class PeerAgent extends Agent {
  readonly #peer: PeerServer;
  readonly #identity: KeyPair;
  readonly #sockets = new Set<Duplex>();
  readonly #abort = new AbortController();

  constructor(peer: PeerServer, identity: KeyPair) {
    super({ keepAlive: true, maxFreeSockets: MOST_IDLE, timeout: IDLE_MS });
    this.#peer = peer;
    this.#identity = identity;
  }

  override createConnection(
    _options: ClientRequestArgs,
    done: (error: Error | null, socket: Duplex) => void = () => {},
  ): undefined {
    const { host, port } = placeOf(this.#peer.address);
    const fingerprint = fingerprintOf(this.#identity.certificate);
    const stranger = (place: string): Error => new Error(`who answers at ${place} has not the fleet's key`);
    const limits = { timeoutMs: CONNECT_MS, signal: this.#abort.signal };
    connectPinned({ address: host, port, fingerprint, stranger }, this.#identity, limits).then(
      (socket) => {
        this.#sockets.add(socket);
        socket.once("close", () => this.#sockets.delete(socket));
        done(null, socket);
      },
      (error: unknown) =>
        done(error instanceof Error ? error : new Error(String(error)), undefined as unknown as Duplex),
    );
  }

  /** Of a peer that is gone; also what waits for a connection, and WebSockets. */
  end(): void {
    this.#abort.abort(new Error("the server is gone"));
    this.destroy();
    for (const socket of this.#sockets) socket.destroy(new Error("the server is gone"));
  }
}

/** `[::1]:7682`, `127.0.0.1:7682`. */
function placeOf(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at).replace(/^\[(.*)\]$/, "$1"), port: Number(address.slice(at + 1)) };
}
