import { createServer, type RequestListener, type Server } from "node:http";

/** Between two requests on one connection. */
const KEEP_ALIVE_MS = 30_000;
/** For a request's head; bodies that stream take their time. */
const HEADERS_MS = 20_000;

/** An HTTP server with this one's limits. */
export function createHttpServer(listener: RequestListener): Server {
  const limits = { headersTimeout: HEADERS_MS, connectionsCheckingInterval: HEADERS_MS / 4, requestTimeout: 0 };
  return createServer({ ...limits, keepAliveTimeout: KEEP_ALIVE_MS }, listener);
}

/**
 * The same server at ::1, so that nobody else is there, whichever address a name of `localhost` leads a browser to. Resolves with what
 * ends it; null: that address is another program's, or there is none.
 */
export async function listenAtIpv6(
  main: Server,
  port: number,
  watch: (server: Server) => void,
): Promise<(() => void) | null> {
  const second = createHttpServer((request, response) => void main.emit("request", request, response));
  second.on("upgrade", (...given) => void main.emit("upgrade", ...given));
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
