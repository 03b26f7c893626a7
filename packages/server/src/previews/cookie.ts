import type { IncomingMessage } from "node:http";
import type { PreviewHost } from "./hosts.ts";

/** A page may keep as many cookies of a name as it has paths: more than one may be a program's. */
const MAX_SECRETS = 4;

/**
 * The name of the cookie that opens a preview. Cookies go to every port of a host: two servers on one host need two names. On a
 * domain of many previews the prefix keeps it to the very host and to TLS (RFC 6265bis, 4.1.3.2).
 */
export const cookieName = ({ scheme, authority }: PreviewHost): string =>
  scheme === "https" ? "__Host-microterm_preview" : `microterm_preview_${/:(\d+)$/.exec(authority)?.[1] ?? 80}`;

export interface PreviewCookie {
  readonly secret: string;
  readonly expiresAt: string;
}

export function setCookie(host: PreviewHost, { secret, expiresAt }: PreviewCookie): string {
  const secure = host.scheme === "https" ? "; Secure" : "";
  const expires = new Date(expiresAt).toUTCString();
  return `${cookieName(host)}=${secret}; Path=/; Expires=${expires}; HttpOnly; SameSite=Lax${secure}`;
}

/** `name=value` pairs of a Cookie header, as they are. */
const pairsOf = (header: string): string[] => header.split(";").map((pair) => pair.trim());
const nameOf = (pair: string): string => (pair.includes("=") ? pair.slice(0, pair.indexOf("=")).trim() : "");

/** What the cookies of our name carry. */
export function secretsOf(request: IncomingMessage, name: string): string[] {
  return pairsOf(request.headers.cookie ?? "")
    .filter((pair) => nameOf(pair) === name)
    .map((pair) => pair.slice(pair.indexOf("=") + 1).trim())
    .slice(0, MAX_SECRETS);
}

/** A Cookie header without ours; null: nothing is left of it. */
export function withoutOurs(header: string, name: string): string | null {
  const others = pairsOf(header).filter((pair) => pair !== "" && nameOf(pair) !== name && pair !== name);
  return others.length === 0 ? null : others.join("; ");
}

/**
 * What a guest sets, kept to its own origin: no `Domain`, so that it reaches no other preview; null for one of our name. Browsers
 * write a cookie without a name as its value alone, which may look like one of ours.
 */
export function guestCookie(header: string, ours: string): string | null {
  const [pair = "", ...attributes] = header.split(";");
  const at = pair.indexOf("=");
  const name = pair.slice(0, Math.max(0, at)).trim();
  const value = pair.slice(at + 1).trim();
  if (name.toLowerCase() === ours.toLowerCase()) return null;
  if (name === "" && value.toLowerCase().startsWith(ours.toLowerCase())) return null;
  return [pair, ...attributes.filter((attribute) => !/^\s*domain\s*(=|$)/i.test(attribute))].join(";");
}
