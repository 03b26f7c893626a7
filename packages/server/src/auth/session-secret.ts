import type { IncomingMessage } from "node:http";
import { SESSION_KEY_HEADER, SESSION_KEY_SUBPROTOCOL } from "@microterm/protocol";

/**
 * A session's secret is sent in two halves of 124 bits: a cookie, which no script reads and which browsers send to every port of a
 * host, and a key, which a page keeps in the storage of its origin. One of them alone is worth nothing.
 */
export function cookieAndKey(secret: string): { readonly cookie: string; readonly key: string } {
  const half = secret.length / 2;
  return { cookie: secret.slice(0, half), key: secret.slice(half) };
}

/** The key that came with a request; empty where none did. */
export function keyOf({ headers }: IncomingMessage): string {
  const header = headers[SESSION_KEY_HEADER];
  if (typeof header === "string") return header;
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  const carrier = offered.find((name) => name.startsWith(SESSION_KEY_SUBPROTOCOL));
  return carrier?.slice(SESSION_KEY_SUBPROTOCOL.length) ?? "";
}
