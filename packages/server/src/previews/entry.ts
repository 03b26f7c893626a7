import type { IncomingMessage, ServerResponse } from "node:http";
import type { PreviewService } from "@microterm/core";
import { SECURITY_HEADERS } from "../http/security-headers.ts";
import { setCookie } from "./cookie.ts";
import type { PreviewHost } from "./hosts.ts";
import { sendPage } from "./pages.ts";

/** Below it is nothing of a program's: no request goes to the guest, however it is spelt. */
const OWN = /^\/+\.microterm(?:[/?#]|$)/i;
const TICKET_PATH = "/.microterm/ticket";
const LINK_PATH = "/.microterm/link";

export const ticketUrl = (origin: string, secret: string): string => `${origin}${TICKET_PATH}?secret=${secret}`;
export const linkUrl = (origin: string, secret: string): string => `${origin}${LINK_PATH}?secret=${secret}`;

/** Whether an address is ours and not the program's, which may decode and simplify it before it looks. */
export function isOwnPath(url: string): boolean {
  const [path = ""] = url.split(/[?#]/, 1);
  let decoded = path;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    // Not well-formed: as it stands.
  }
  const simplified = new URL(decoded.replaceAll("\\", "/").replace(/^\/+/, "/"), "http://preview").pathname;
  return [path, decoded, simplified].some((one) => OWN.test(one));
}

/** Answers below `/.microterm/`: a ticket or a shared link for a cookie, and then the program's own page. */
export async function enter(
  request: IncomingMessage,
  response: ServerResponse,
  host: PreviewHost,
  previews: PreviewService,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://preview");
  const secret = url.searchParams.get("secret") ?? "";
  const isPrefetch = /prefetch|prerender/i.test(
    `${request.headers["sec-purpose"] ?? ""} ${request.headers.purpose ?? ""}`,
  );
  if (request.method !== "GET" || isPrefetch || ![TICKET_PATH, LINK_PATH].includes(url.pathname)) {
    const [status, title] = isPrefetch ? [503, "Not ahead of time"] : [404, "There is nothing at this address"];
    return sendPage(response, { status, isForPerson: false, title, paragraphs: [] });
  }
  const cookie =
    url.pathname === TICKET_PATH ? await previews.redeem(secret, host) : await linkCookie(secret, host, previews);
  if (cookie === null) {
    return sendPage(response, {
      ...{ status: 403, isForPerson: true, title: "This link opens nothing any more" },
      paragraphs: [
        url.pathname === TICKET_PATH
          ? "It works once, and for half a minute. Open the port again from the page of its environment."
          : "It has expired, or its owner has ended it. Ask for another one.",
      ],
    });
  }
  response.writeHead(303, {
    ...SECURITY_HEADERS,
    "cache-control": "no-store",
    "set-cookie": setCookie(host, cookie),
    location: "/",
  });
  response.end();
}

async function linkCookie(secret: string, host: PreviewHost, previews: PreviewService) {
  const grant = await previews.admit([secret], host);
  return grant?.kind === "link" ? { secret, expiresAt: grant.expiresAt } : null;
}
