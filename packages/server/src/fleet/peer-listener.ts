import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { fingerprintOf, type KeyPair, toPem } from "@microterm/host";
import { handOn } from "../http/http-server.ts";
import { believe, FORWARDED_HEADER } from "./forwarded.ts";

/** Longer than peers keep a connection that they do not use. */
const KEEP_ALIVE_MS = 60_000;
const HEADERS_MS = 20_000;
const HANDSHAKE_MS = 10_000;
/** As a client's, and what a peer adds. */
const MAX_HEAD_BYTES = 32_768;

export interface PeerListenerOptions {
  readonly identity: KeyPair;
  readonly address: string;
  readonly port: number;
  /** The server that answers what is forwarded. */
  readonly main: HttpServer;
  /** Answers what a peer asks for itself. */
  readonly answer: (request: IncomingMessage, response: ServerResponse) => void;
}

export interface PeerListener {
  readonly port: number;
  close(): void;
}

/** Listens for the servers that have the installation's key; nobody else gets an answer. Rejects with the system's error. */
export async function listenForPeers(options: PeerListenerOptions): Promise<PeerListener> {
  const { identity, address, port, main, answer } = options;
  const { request: handRequest, upgrade: handUpgrade } = handOn(main);
  const peers = new WeakSet<Duplex>();
  const server: Server = createServer({
    key: toPem("PRIVATE KEY", identity.key),
    cert: toPem("CERTIFICATE", identity.certificate),
    minVersion: "TLSv1.3",
    requestCert: true,
    // No authority signs it: the fingerprint is compared below, before a byte is read.
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_MS,
    ...{ headersTimeout: HEADERS_MS, requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS },
    maxHeaderSize: MAX_HEAD_BYTES,
  });
  server.prependListener("secureConnection", (socket: TLSSocket) => {
    const shown = socket.getPeerX509Certificate();
    if (shown !== undefined && fingerprintOf(shown.raw) === fingerprintOf(identity.certificate)) peers.add(socket);
    else socket.destroy();
  });

  /** Whether it is a client's that the peer forwards. */
  function isForwarded(request: IncomingMessage): boolean {
    if (request.headers[FORWARDED_HEADER] === undefined) return false;
    believe(request);
    return true;
  }
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    if (!peers.has(request.socket)) return void request.socket.destroy();
    try {
      if (isForwarded(request)) handRequest(request, response);
      else answer(request, response);
    } catch {
      request.socket.destroy();
    }
  };
  server.on("request", onRequest);
  // Who carries it out says so.
  server.on("checkContinue", onRequest);
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    try {
      if (peers.has(socket) && isForwarded(request)) handUpgrade(request, socket, head);
      else socket.destroy();
    } catch {
      socket.destroy();
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: address, port, ipv6Only: address !== "::" }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
