import { createServer } from "node:http";
import type { Prometheus } from "./prometheus.ts";

/** `GET /metrics` on a port of its own: who may read it is for the host to say, and it takes no credential. */
export async function listenForMetrics(
  { render }: Pick<Prometheus, "render">,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((request, response) => {
    // Against DNS rebinding: a page of another site reaches this port under a name of its own.
    if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(request.headers.host ?? "")) {
      response.writeHead(421, { "content-type": "text/plain" }).end("Ask for 127.0.0.1 or localhost.\n");
      return;
    }
    if (request.url !== "/metrics" || (request.method !== "GET" && request.method !== "HEAD")) {
      response.writeHead(404, { "content-type": "text/plain" }).end("GET /metrics is all there is.\n");
      return;
    }
    render().then(
      ({ type, text }) => response.writeHead(200, { "content-type": type }).end(text),
      (error: unknown) => response.writeHead(500, { "content-type": "text/plain" }).end(`${String(error)}\n`),
    );
  });
  server.requestTimeout = 10_000;
  server.keepAliveTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
