import type { IncomingMessage } from "node:http";
import { SECRET_LENGTH } from "@microterm/core";
import {
  SESSION_KEY_HEADER,
  SESSION_KEY_SUBPROTOCOL,
  SHARE_KEY_HEADER,
  SHARE_KEY_SUBPROTOCOL,
} from "@microterm/protocol";

/**
 * A secret of a browser is sent in two halves of 124 bits: a cookie, which no script reads and which browsers send to every port of a
 * host, and a key, which a page keeps in the storage of its origin. One of them alone is worth nothing.
 */
const HALF = SECRET_LENGTH / 2;

interface KeyCarrier {
  readonly header: string;
  /** The beginning of a subprotocol that is offered and never chosen. */
  readonly subprotocol: string;
}

const SESSION: KeyCarrier = { header: SESSION_KEY_HEADER, subprotocol: SESSION_KEY_SUBPROTOCOL };
const SHARE: KeyCarrier = { header: SHARE_KEY_HEADER, subprotocol: SHARE_KEY_SUBPROTOCOL };

export function cookieAndKey(secret: string): { readonly cookie: string; readonly key: string } {
  return { cookie: secret.slice(0, HALF), key: secret.slice(HALF) };
}

/** The secret of a request's cookie and its key; null where either is no half: a whole secret in the cookie is none. */
export const sessionSecretOf = (cookie: string, request: IncomingMessage): string | null =>
  joined(cookie, keyOf(request, SESSION));

/** The same for a browser without an account, which was let in by shared links. */
export const shareSecretOf = (cookie: string, request: IncomingMessage): string | null =>
  joined(cookie, keyOf(request, SHARE));

const joined = (cookie: string, key: string): string | null =>
  cookie.length === HALF && key.length === HALF ? cookie + key : null;

/** Empty where none came. */
function keyOf({ headers }: IncomingMessage, { header, subprotocol }: KeyCarrier): string {
  const sent = headers[header];
  if (typeof sent === "string") return sent;
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  const carrier = offered.find((name) => name.startsWith(subprotocol));
  return carrier?.slice(subprotocol.length) ?? "";
}
