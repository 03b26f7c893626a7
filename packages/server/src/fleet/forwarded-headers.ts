import type { IncomingMessage } from "node:http";
import { HOP_BY_HOP, namedByConnection, pairsOf } from "../http/hop-by-hop.ts";
import { MOVED_HEADER } from "../http/problem.ts";
import { FORWARDED_HEADER, type Forwarded } from "./forwarded.ts";

/** How the body ends, and whether it is waited for, is said again. */
const NOT_SENT = new Set([...HOP_BY_HOP, "content-length", "expect", FORWARDED_HEADER]);
const NOT_RECEIVED = new Set([...HOP_BY_HOP, MOVED_HEADER]);

/** A request has one where its head says how it ends (RFC 9112, 6.3). */
export const hasBody = ({ headers }: Pick<IncomingMessage, "headers">): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

/** A request's headers for the peer, flat. */
export function requestHeaders(request: IncomingMessage, forwarded: Forwarded, isUpgrade: boolean): string[] {
  const named = namedByConnection(request);
  const headers: string[] = [FORWARDED_HEADER, JSON.stringify(forwarded)];
  for (const [name, value] of pairsOf(request)) {
    const key = name.toLowerCase();
    if (NOT_SENT.has(key) || named.has(key)) continue;
    // Another server's token is none to the peer.
    if (key === "authorization" && forwarded.isDataFolder) continue;
    headers.push(name, value);
  }
  const length = request.headers["content-length"];
  if (request.headers["transfer-encoding"] !== undefined) headers.push("Transfer-Encoding", "chunked");
  else if (length !== undefined) headers.push("Content-Length", length);
  // Nothing of a body is sent before the peer has said that it carries the request out.
  if (hasBody(request)) headers.push("Expect", "100-continue");
  if (isUpgrade) headers.push("Upgrade", "websocket", "Connection", "Upgrade");
  else headers.push("Connection", "keep-alive");
  return headers;
}

/** A peer's headers for the client, flat. */
export function responseHeaders(answer: IncomingMessage): string[] {
  const named = namedByConnection(answer);
  return [...pairsOf(answer)].filter(([name]) => isKept(name.toLowerCase(), named)).flat();
}

const isKept = (key: string, named: ReadonlySet<string>): boolean => !NOT_RECEIVED.has(key) && !named.has(key);
