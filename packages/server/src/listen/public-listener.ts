import type { Server } from "node:http";
import type { Server as TlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { FastifyBaseLogger } from "fastify";
import type { ConnectionLimit } from "../http/connection-limit.ts";
import { createHttpServer, createHttpsServer, handOn, secureContext } from "../http/http-server.ts";
import { invalidity, type KeyPairFiles, readKeyPair } from "./certificate.ts";
import type { ClientAddresses } from "./client-address.ts";
import { watchFiles } from "./file-watch.ts";

/** A log has one line for all that were turned away within it. */
const TELL_EVERY_MS = 60_000;

export interface PublicListenerOptions {
  /** The server that answers. */
  readonly main: Server;
  readonly address: string;
  readonly port: number;
  /** Null: trusted proxies have TLS, and nobody else is spoken to. */
  readonly tls: { readonly files: KeyPairFiles; readonly hosts: readonly string[] } | null;
  readonly clients: ClientAddresses;
  readonly connectionLimit: ConnectionLimit;
  readonly log: FastifyBaseLogger;
}

export interface PublicListener {
  readonly port: number;
  close(): void;
}

/** Listens beyond this host. Rejects with the system's error, or with a `KeyPairError`. */
export async function listenPublicly(options: PublicListenerOptions): Promise<PublicListener> {
  const { main, address, port, tls, connectionLimit } = options;
  const { request, upgrade } = handOn(main);
  let server: Server | TlsServer;
  let unwatch = (): void => undefined;
  if (tls === null) {
    server = createHttpServer(request);
    refuseStrangers(server, options);
  } else {
    const pair = readKeyPair(tls.files, tls.hosts);
    const why = invalidity(pair, new Date());
    if (why !== null) options.log.warn({ why }, "browsers refuse the certificate");
    const secure = createHttpsServer(secureContext(pair), request);
    unwatch = watchFiles([tls.files.cert, tls.files.key], () => renew(secure, tls, options.log));
    server = secure;
  }
  server.on("upgrade", upgrade);
  connectionLimit.watch(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: address, port, ipv6Only: address !== "::" }, resolve);
  }).catch((error: unknown) => {
    unwatch();
    throw error;
  });
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      unwatch();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A new pair is for connections from now on. One that cannot be used leaves the earlier one where it is. */
function renew(server: TlsServer, tls: NonNullable<PublicListenerOptions["tls"]>, log: FastifyBaseLogger): void {
  const refuse = (why: string): void => log.warn({ why }, "the new certificate is not used");
  try {
    const pair = readKeyPair(tls.files, tls.hosts);
    const why = invalidity(pair, new Date());
    if (why !== null) {
      refuse(why);
      return;
    }
    server.setSecureContext(secureContext(pair));
    log.info({ expiresAt: pair.validTo.toISOString() }, "the new certificate is in use");
  } catch (error) {
    refuse(error instanceof Error ? error.message : String(error));
  }
}

/** Without TLS only proxies are spoken to: anyone else would send a password in clear, or say whose address it has. */
function refuseStrangers(server: Server, { clients, log }: PublicListenerOptions): void {
  let toldAt = Number.NEGATIVE_INFINITY;
  server.on("connection", (socket: Socket) => {
    if (clients.isProxy(socket)) return;
    const address = clients.peerOf(socket);
    socket.destroy();
    if (performance.now() - toldAt < TELL_EVERY_MS) return;
    toldAt = performance.now();
    log.warn({ address }, "a connection was closed: its address is none of --trust-proxy");
  });
}
