import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket, Server as TcpServer } from "node:net";
import type { Duplex } from "node:stream";
import { clientNetworkOf } from "@microterm/core";
import { forwardedOf } from "../fleet/forwarded.ts";
import type { ClientAddresses } from "../listen/client-address.ts";

/** More than a browser has without a credential, many times over. */
const MOST_OF_A_CLIENT = 128;
/** In which a client that has a credential shows it, also when a thousand come back at once after the server's restart. */
const GRACE_MS = 5_000;
/** Whose the connections of proxies are between two requests. */
const NOBODY = "";
/** Of all clients, whatever they may be about to show: what is left of a process's descriptors is for guests and people. */
const MOST_AT_ONCE = 4_096;

/**
 * Anybody may connect. So connections on which no credential has been shown for a while are few for each client: past the limit its
 * oldest one is closed. A client that signs in, or sends its credential at once, is not affected, and neither are others.
 *
 * A trusted proxy's connections are its clients': one counts for the client of its present request. Between two it is only one of all.
 */
export interface ConnectionLimit {
  /** Counts the connections of a server; of each one that listens. */
  watch(server: TcpServer): void;
  /** Counts proxies' requests; of the server that all requests come to. */
  watchRequests(server: Server): void;
  /** The request is a person's who may ask; its connection is not counted any more. */
  trust(request: IncomingMessage): void;
}

interface Entry {
  readonly socket: Socket;
  readonly since: number;
  /** `clientNetworkOf`, or nobody. */
  readonly client: string;
}

export interface ConnectionLimitOptions {
  readonly clients: ClientAddresses;
  readonly mostOfAClient?: number;
  readonly mostAtOnce?: number;
  readonly graceMs?: number;
}

export function createConnectionLimit({
  clients,
  mostOfAClient = MOST_OF_A_CLIENT,
  mostAtOnce = MOST_AT_ONCE,
  graceMs = GRACE_MS,
}: ConnectionLimitOptions): ConnectionLimit {
  const entries = new Map<string, Entry>();
  /** The keys of each client, in the order in which they came. */
  const byClient = new Map<string, Set<string>>();
  let timer: NodeJS.Timeout | null = null;

  function add(socket: Socket, client: string): void {
    const key = keyOf(socket);
    if (entries.has(key)) return;
    entries.set(key, { socket, client, since: performance.now() });
    const keys = byClient.get(client) ?? new Set();
    byClient.set(client, keys.add(key));
    if (client !== NOBODY) drop(client);
    while (entries.size > mostAtOnce) cutOldest(largest());
  }

  function remove(key: string): void {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    const keys = byClient.get(entry.client);
    keys?.delete(key);
    if (keys?.size === 0) byClient.delete(entry.client);
  }

  function cutOldest(client: string): void {
    const [key = ""] = byClient.get(client) ?? [];
    const entry = entries.get(key);
    remove(key);
    entry?.socket.destroy();
  }

  const largest = (): string =>
    [...byClient].reduce((most, one) => (one[1].size > most[1].size ? one : most), ["", new Set<string>()])[0];

  function drop(client: string): void {
    const keys = byClient.get(client);
    for (const key of keys ?? []) {
      if (keys === undefined || keys.size <= mostOfAClient) return;
      if (performance.now() - (entries.get(key)?.since ?? 0) < graceMs) break;
      cutOldest(client);
    }
    if (timer === null && (keys?.size ?? 0) > mostOfAClient) timer = setTimeout(look, graceMs).unref();
  }
  const look = (): void => {
    timer = null;
    for (const client of [...byClient.keys()]) if (client !== NOBODY) drop(client);
  };

  const forwarded = (request: IncomingMessage, over: ServerResponse | Duplex): void => {
    const { socket } = request;
    // Its peer counts it.
    if (!clients.isProxy(socket) || forwardedOf(request) !== null) return;
    const key = keyOf(socket);
    remove(key);
    add(socket, clientNetworkOf(clients.clientAddressOf(request)));
    over.once("close", () => {
      remove(key);
      if (!socket.destroyed) add(socket, NOBODY);
    });
  };

  return {
    watch(server) {
      server.on("connection", (socket: Socket) => {
        const address = clients.peerOf(socket);
        if (address === "") return;
        const key = keyOf(socket);
        add(socket, clients.isProxy(socket) ? NOBODY : clientNetworkOf(address));
        socket.once("close", () => remove(key));
      });
    },
    watchRequests(server) {
      // Before what answers them, which may trust at once.
      server.prependListener("request", forwarded);
      server.prependListener("upgrade", forwarded);
    },
    trust: ({ socket }) => remove(keyOf(socket)),
  };
}

/** TLS has a socket of its own above the connection's: both have its addresses. */
const keyOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
