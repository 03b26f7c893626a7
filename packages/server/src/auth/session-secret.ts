import type { IncomingMessage } from "node:http";
import { SECRET_LENGTH } from "@microterm/core";
import { SESSION_KEY_HEADER, SESSION_KEY_SUBPROTOCOL } from "@microterm/protocol";

/**
 * A session's secret is sent in two halves of 124 bits: a cookie, which no script reads and which browsers send to every port of a
 * host, and a key, which a page keeps in the storage of its origin. One of them alone is worth nothing.
 */
const HALF = SECRET_LENGTH / 2;

export function cookieAndKey(secret: string): { readonly cookie: string; readonly key: string } {
  return { cookie: secret.slice(0, HALF), key: secret.slice(HALF) };
}

/** The secret of a request's cookie and its key; null where either is no half: a whole secret in the cookie is none. */
export function sessionSecretOf(cookie: string, request: IncomingMessage): string | null {
  const key = keyOf(request);
  return cookie.length === HALF && key.length === HALF ? cookie + key : null;
}

/** Empty where none came. */
function keyOf({ headers }: IncomingMessage): string {
  const header = headers[SESSION_KEY_HEADER];
  if (typeof header === "string") return header;
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  const carrier = offered.find((name) => name.startsWith(SESSION_KEY_SUBPROTOCOL));
  return carrier?.slice(SESSION_KEY_SUBPROTOCOL.length) ?? "";
}
