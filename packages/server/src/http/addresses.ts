import type { IncomingMessage } from "node:http";
import { ALLOWED_HOST, PlatformError } from "@microterm/protocol";
import type { PreviewHost } from "../previews/hosts.ts";

/** The names under which the server may be addressed. A name of anybody else's that resolves here (DNS rebinding) is refused. */
const HOST_NAMES = ["127.0.0.1", "localhost", "[::1]"] as const;

export interface Addresses {
  /** The name of the session's cookie. Browsers send cookies to every port of a host: two servers on one host need two names. */
  cookieName(): string;
  /**
   * Where a page that was asked for at `localhost` is: at 127.0.0.1. Programs at names below `localhost` may set cookies for all of it,
   * and an address has none but its own. Null: it was asked for there, or by a program.
   */
  pageElsewhere(request: IncomingMessage): string | null;
  /** Of the page, for who looks at a preview. */
  pageOrigin(preview: Pick<PreviewHost, "scheme" | "authority">): string;
  /** Throws FORBIDDEN_HOST. */
  checkHost(request: IncomingMessage): void;
  /** Throws FORBIDDEN_ORIGIN when there is an Origin and it is not ours, or when there is none and one is `required`. */
  checkOrigin(request: IncomingMessage, options: { readonly required: boolean }): void;
}

/**
 * `port` is asked each time: it is known once the server listens. `allowed` are further values of `Host`, in lower case:
 * of the near end of a tunnel, or of a proxy, which may speak TLS to browsers.
 */
export function createAddresses(port: () => number, allowed: readonly string[] = []): Addresses {
  // The near end of a tunnel has both names.
  const names = new Set(allowed.flatMap((host) => [host, host.replace(/^localhost(?=:|$)/, "127.0.0.1")]));
  const isOurs = (host: string) => names.has(host) || HOST_NAMES.some((name) => host === `${name}:${port()}`);
  return {
    cookieName: () => `microterm_session_${port()}`,
    pageElsewhere({ method, url, headers }) {
      const [isLocalhost, near = ""] = /^localhost(:\d+)?$/i.exec(headers.host ?? "") ?? [];
      const isPage = (method === "GET" || method === "HEAD") && /\btext\/html\b/.test(headers.accept ?? "");
      return isLocalhost !== undefined && isPage && url?.startsWith("/") === true
        ? `http://127.0.0.1${near}${url}`
        : null;
    },
    pageOrigin({ scheme, authority }) {
      if (scheme === "http") return `http://127.0.0.1${/:\d+$/.exec(authority)?.[0] ?? ""}`;
      const proxied = allowed.find((host) => !/^(?:localhost|127\.|\[)/.test(host));
      return proxied === undefined ? `http://127.0.0.1:${port()}` : `https://${proxied}`;
    },
    checkHost(request) {
      const host = request.headers.host?.toLowerCase();
      if (host !== undefined && isOurs(host)) return;
      const option = host !== undefined && ALLOWED_HOST.test(host) ? host : "NAME:PORT";
      throw new PlatformError(
        "FORBIDDEN_HOST",
        `The server does not answer to the address ${quote(host)}. If it is the near end of a tunnel or a proxy of your own, start it with: ./microterm up --allow-host ${option}`,
      );
    },
    checkOrigin(request, { required }) {
      const origin = request.headers.origin;
      if (origin === undefined && !required) return;
      const [, host] = /^http:\/\/(.+)$/.exec(origin ?? "") ?? [];
      if (host !== undefined && isOurs(host)) return;
      const [, proxied] = /^https:\/\/(.+)$/.exec(origin ?? "") ?? [];
      if (proxied !== undefined && names.has(proxied)) return;
      throw new PlatformError("FORBIDDEN_ORIGIN", `Requests from ${quote(origin)} are not accepted.`);
    },
  };
}

/** A client's bytes in an error's text: bounded and printable. */
function quote(value: string | undefined): string {
  return value === undefined ? "an unnamed place" : JSON.stringify(value.slice(0, 100));
}
