import { createReadStream, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { extname, join, normalize } from "node:path";
import { CERTIFICATE, KEY } from "./site-files.ts";

const TYPES: Readonly<Record<string, string>> = { ".html": "text/html" };

/** `GET /` says who asks; everything else is a file below the folder that bears the site's name. */
async function serve(sites: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = normalize(new URL(request.url ?? "/", "http://site").pathname);
  if (path === "/") {
    response.end(`${request.headers.host} to ${request.socket.remoteAddress}\n`);
    return;
  }
  const file = join(sites, request.headers.host ?? "", path.endsWith("/") ? `${path}index.html` : path);
  const found = await stat(file).catch(() => null);
  if (found === null || !found.isFile()) {
    response.writeHead(404).end();
    return;
  }
  const type = TYPES[extname(file)] ?? "application/octet-stream";
  response.writeHead(200, { "content-length": found.size, "content-type": type });
  if (request.method === "HEAD") response.end();
  else createReadStream(file).pipe(response);
}

/** HTTP and HTTPS at every address of this network. */
export function serveSites(folder: string): void {
  const listener = (request: IncomingMessage, response: ServerResponse) =>
    void serve(join(folder, "sites"), request, response);
  createServer(listener).listen(80, "0.0.0.0");
  const secret = { key: readFileSync(join(folder, KEY)), cert: readFileSync(join(folder, CERTIFICATE)) };
  createTlsServer(secret, listener).listen(443, "0.0.0.0");
}
