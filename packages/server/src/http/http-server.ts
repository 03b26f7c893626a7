import { constants } from "node:crypto";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";

/** Between two requests on one connection. */
const KEEP_ALIVE_MS = 30_000;
/** For a request's head; bodies that stream take their time. */
const HEADERS_MS = 20_000;
/** For all of TLS's; some round trips, also on a bad line. */
const HANDSHAKE_MS = 10_000;

const LIMITS = {
  ...{ headersTimeout: HEADERS_MS, connectionsCheckingInterval: HEADERS_MS / 4, requestTimeout: 0 },
  keepAliveTimeout: KEEP_ALIVE_MS,
};

/** An HTTP server with this one's limits. */
export function createHttpServer(listener: RequestListener): Server {
  return createServer(LIMITS, listener);
}

/** What a TLS server is made with, and given again with another pair. `cert` and `key` are PEM. */
export const secureContext = ({ cert, key }: { readonly cert: string; readonly key: string }) =>
  // Without renegotiation, by which a client could have a key agreed upon again and again.
  ({ cert, key, minVersion: "TLSv1.2", secureOptions: constants.SSL_OP_NO_RENEGOTIATION }) as const;

/** The same with TLS. */
export function createHttpsServer(context: ReturnType<typeof secureContext>, listener: RequestListener): TlsServer {
  const options = { ...LIMITS, ...context, handshakeTimeout: HANDSHAKE_MS, ALPNProtocols: ["http/1.1"] };
  return createTlsServer(options, listener);
}

/** Has a server hand on what it is asked to the one that answers. */
export const handOn = (main: Server) => ({
  request: ((request, response) => void main.emit("request", request, response)) satisfies RequestListener,
  upgrade: (...given: readonly unknown[]) => void main.emit("upgrade", ...given),
});

/**
 * The same server at ::1, so that nobody else is there, whichever address a name of `localhost` leads a browser to. Resolves with what
 * ends it; null: that address is another program's, or there is none.
 */
export async function listenAtIpv6(
  main: Server,
  port: number,
  watch: (server: Server) => void,
): Promise<(() => void) | null> {
  const { request, upgrade } = handOn(main);
  const second = createHttpServer(request);
  second.on("upgrade", upgrade);
  watch(second);
  const isListening = await new Promise<boolean>((resolve) => {
    second.once("error", () => resolve(false));
    second.listen({ host: "::1", port, ipv6Only: true }, () => resolve(true));
  });
  if (!isListening) return null;
  return () => {
    second.close();
    second.closeAllConnections();
  };
}
