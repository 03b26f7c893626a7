import type { IncomingMessage } from "node:http";
import { SESSION_KEY_HEADER, SHARE_KEY_HEADER } from "@microterm/protocol";
import { HOP_BY_HOP, namedByConnection, pairsOf } from "../http/hop-by-hop.ts";
import { MOVED_HEADER } from "../http/problem.ts";
import { cookieName, guestCookie, withoutOurs } from "./cookie.ts";
import type { PreviewHost } from "./hosts.ts";

/** What a client could make a program believe of how it came. */
const NOT_SENT = new Set([
  ...HOP_BY_HOP,
  ...["host", "content-length", "expect", "forwarded", SESSION_KEY_HEADER, SHARE_KEY_HEADER],
  ...[
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
  ],
]);
/**
 * What would reach beyond a preview's own origin: another server for it (RFC 7838), reports to others, and the data of
 * the registrable domain, which all previews of a domain share.
 */
const NOT_RECEIVED = new Set([
  ...HOP_BY_HOP,
  ...["alt-svc", "clear-site-data", "nel", "report-to", "set-cookie2", "strict-transport-security"],
  // A peer that forwards would send the request again.
  MOVED_HEADER,
]);

type Pairs = readonly (readonly [string, string])[];

/**
 * A request's headers for the program. How its body ends is stated again, so that the program reads exactly the body that was read
 * here (RFC 9112, 11.2).
 */
export function requestHeaders(request: IncomingMessage, host: PreviewHost, isUpgrade: boolean): Pairs {
  const named = namedByConnection(request);
  const ours = cookieName(host);
  const headers: (readonly [string, string])[] = [["Host", host.authority]];
  for (const [name, value] of pairsOf(request)) {
    const key = name.toLowerCase();
    if (NOT_SENT.has(key) || named.has(key)) continue;
    const kept = key === "cookie" ? withoutOurs(value, ours) : value;
    if (kept !== null) headers.push([name, kept]);
  }
  headers.push(["X-Forwarded-Host", host.authority], ["X-Forwarded-Proto", host.scheme]);
  if (request.headers["transfer-encoding"] !== undefined) headers.push(["Transfer-Encoding", "chunked"]);
  else if (request.headers["content-length"] !== undefined)
    headers.push(["Content-Length", request.headers["content-length"]]);
  headers.push(
    ...(isUpgrade
      ? ([
          ["Upgrade", "websocket"],
          ["Connection", "Upgrade"],
        ] as const)
      : [["Connection", "close"] as const]),
  );
  return headers;
}

/** A program's headers for the browser, flat, as `writeHead` takes them. */
export function responseHeaders(response: IncomingMessage, host: PreviewHost): string[] {
  const named = namedByConnection(response);
  const ours = cookieName(host);
  const headers: string[] = [];
  for (const [name, value] of pairsOf(response)) {
    const key = name.toLowerCase();
    if (NOT_RECEIVED.has(key) || named.has(key)) continue;
    const kept = key === "set-cookie" ? guestCookie(value, ours) : value;
    if (kept !== null) headers.push(name, kept);
  }
  return headers;
}
