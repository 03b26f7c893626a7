import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { ALLOWED_HOST, hostOfUrl, PlatformError } from "@microterm/protocol";
import { forwardedOf } from "../fleet/forwarded.ts";
import type { ClientAddresses } from "../listen/client-address.ts";
import type { PreviewHost } from "../previews/hosts.ts";

/** The names under which the server may be addressed. A name of anybody else's that resolves here (DNS rebinding) is refused. */
const HOST_NAMES = ["127.0.0.1", "localhost", "[::1]"] as const;

/** Where this host's own users and their tunnels come to, in plain HTTP. */
const LOOPBACK = new Set(["127.0.0.1", "::1"]);
/** By any of which a request came through a proxy. */
const FORWARDING = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "via"] as const;

/** Of a request that a peer forwards, all is as that peer has found it; it has checked Host and Origin. */
export interface Addresses {
  /** What browsers from elsewhere use, an origin; null: nobody is expected from there. */
  readonly publicUrl: string | null;
  /** Whether a request, its host checked, is for the public URL. Cookies are `Secure` there. */
  isPublic(request: IncomingMessage): boolean;
  /**
   * The name of the session's cookie. Browsers send cookies to every port of a host: two servers on one host need two names. At the
   * public URL the prefix keeps it to the very host and to TLS (RFC 6265bis, 4.1.3.2).
   */
  cookieName(request: IncomingMessage): string;
  /** Of the cookie by which a browser without an account is known. */
  shareCookieName(request: IncomingMessage): string;
  /**
   * Where a page that was asked for at `localhost` is: at 127.0.0.1. Programs at names below `localhost` may set cookies for all of it,
   * and an address has none but its own. One that a proxy was asked for without TLS is at the public URL. Null: it was asked for there,
   * or by a program.
   */
  pageElsewhere(request: IncomingMessage): string | null;
  /** Where a request, its host checked, has the page: the public URL, or a loopback address; null: elsewhere, by a tunnel or proxy of `allowed`. */
  originOf(request: IncomingMessage): string | null;
  /** Of the page, for who looks at a preview. */
  pageOrigin(preview: Pick<PreviewHost, "scheme" | "authority">): string;
  /** Throws FORBIDDEN_HOST, and BAD_REQUEST of two. */
  checkHost(request: IncomingMessage): void;
  /** Throws FORBIDDEN_HOST when a preview was asked for on another way than that of its address. */
  checkPreviewHost(request: IncomingMessage, preview: Pick<PreviewHost, "scheme">): void;
  /** Throws FORBIDDEN_ORIGIN when there is an Origin and it is not ours, or when there is none and one is `required`. */
  checkOrigin(request: IncomingMessage, options: { readonly required: boolean }): void;
}

export interface AddressesOptions {
  /** Of the loopback addresses; asked each time: it is known once the server listens. */
  readonly port: () => number;
  /** Further values of `Host`, in lower case: of the near end of a tunnel, or of a proxy, which may speak TLS to browsers. */
  readonly allowed: readonly string[];
  readonly publicUrl: string | null;
  readonly clients: Pick<ClientAddresses, "isProxy" | "isForwardedInClear">;
}

export function createAddresses({ port, allowed, publicUrl, clients }: AddressesOptions): Addresses {
  // The near end of a tunnel has both names.
  const names = new Set(allowed.flatMap((host) => [host, host.replace(/^localhost(?=:|$)/, "127.0.0.1")]));
  const isOwnName = (host: string): boolean => HOST_NAMES.some((name) => host === `${name}:${port()}`);
  const isOurs = (host: string): boolean => names.has(host) || isOwnName(host);
  const publicHost = publicUrl === null ? null : hostOfUrl(publicUrl);
  const publicPort = /:\d+$/.exec(publicHost ?? "")?.[0].replace(":", "_") ?? "";
  const hostOf = ({ headers }: IncomingMessage): string | undefined => headers.host?.toLowerCase().replace(/:443$/, "");
  const isPublic = (request: IncomingMessage): boolean =>
    forwardedOf(request)?.isPublic ?? (publicHost !== null && hostOf(request) === publicHost);
  const cookiePort = (request: IncomingMessage): number => forwardedOf(request)?.port ?? port();
  const isPage = ({ method, headers }: IncomingMessage): boolean =>
    (method === "GET" || method === "HEAD") && /\btext\/html\b/.test(headers.accept ?? "");
  const hasTls = (request: IncomingMessage): boolean =>
    (request.socket as Partial<TLSSocket>).encrypted === true ||
    (clients.isProxy(request.socket) && !clients.isForwardedInClear(request));
  const isOnLoopback = ({ socket }: IncomingMessage): boolean =>
    (socket as Partial<TLSSocket>).encrypted !== true &&
    LOOPBACK.has(socket.localAddress ?? "") &&
    socket.localPort === port();

  function checkPublicHost(request: IncomingMessage): void {
    if (hasTls(request)) return;
    const isFromProxy = clients.isProxy(request.socket);
    if (isFromProxy && isPage(request)) return;
    throw new PlatformError(
      "FORBIDDEN_HOST",
      isFromProxy
        ? `The proxy was asked without TLS. The server is at ${publicUrl}.`
        : `${publicHost} is reached with TLS, or through a proxy that --trust-proxy names.`,
    );
  }

  return {
    publicUrl,
    isPublic,
    cookieName: (request) =>
      isPublic(request) ? `__Host-microterm_session${publicPort}` : `microterm_session_${cookiePort(request)}`,
    shareCookieName: (request) =>
      isPublic(request) ? `__Host-microterm_share${publicPort}` : `microterm_share_${cookiePort(request)}`,
    pageElsewhere(request) {
      const { url, headers } = request;
      if (forwardedOf(request) !== null || !isPage(request) || url?.startsWith("/") !== true) return null;
      if (isPublic(request)) return hasTls(request) ? null : `${publicUrl}${url}`;
      const [isLocalhost, near = ""] = /^localhost(:\d+)?$/i.exec(headers.host ?? "") ?? [];
      return isLocalhost === undefined ? null : `http://127.0.0.1${near}${url}`;
    },
    originOf(request) {
      if (isPublic(request)) return publicUrl;
      const host = request.headers.host?.toLowerCase() ?? "";
      return /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/.test(host) ? `http://${host}` : null;
    },
    pageOrigin({ scheme, authority }) {
      if (scheme === "http") return `http://127.0.0.1${/:\d+$/.exec(authority)?.[0] ?? ""}`;
      if (publicUrl !== null) return publicUrl;
      const proxied = allowed.find((host) => !/^(?:localhost|127\.|\[)/.test(host));
      return proxied === undefined ? `http://127.0.0.1:${port()}` : `https://${proxied}`;
    },
    checkHost(request) {
      if (forwardedOf(request) !== null) return;
      checkOneHost(request);
      if (isPublic(request)) return checkPublicHost(request);
      const host = request.headers.host?.toLowerCase();
      if (publicUrl !== null && !isOnLoopback(request)) {
        throw new PlatformError(
          "FORBIDDEN_HOST",
          `The server does not answer to ${quote(host)} here. It is at ${publicUrl}.`,
        );
      }
      if (
        publicUrl !== null &&
        isOwnName(host ?? "") &&
        FORWARDING.some((name) => request.headers[name] !== undefined)
      ) {
        throw new PlatformError(
          "FORBIDDEN_HOST",
          "A proxy asked for this host's own address. It has to pass on the header Host as it came (nginx: proxy_set_header Host $http_host).",
        );
      }
      if (host !== undefined && isOurs(host)) return;
      const option = host !== undefined && ALLOWED_HOST.test(host) ? host : "NAME:PORT";
      throw new PlatformError(
        "FORBIDDEN_HOST",
        `The server does not answer to the address ${quote(host)}. If it is the near end of a tunnel or a proxy of your own, start it with: ./microterm up --allow-host ${option}`,
      );
    },
    checkPreviewHost(request, { scheme }) {
      if (forwardedOf(request) !== null) return;
      checkOneHost(request);
      if (publicUrl === null || (scheme === "https" ? hasTls(request) : isOnLoopback(request))) return;
      throw new PlatformError("FORBIDDEN_HOST", "A preview is not reached on this way.");
    },
    checkOrigin(request, { required }) {
      if (forwardedOf(request) !== null) return;
      const origin = request.headers.origin;
      if (origin === undefined && !required) return;
      if (isPublic(request) ? origin === publicUrl : isOurOrigin(origin ?? "")) return;
      throw new PlatformError("FORBIDDEN_ORIGIN", `Requests from ${quote(origin)} are not accepted.`);
    },
  };

  function isOurOrigin(origin: string): boolean {
    const [, scheme, host = ""] = /^(https?):\/\/(.+)$/.exec(origin) ?? [];
    return scheme === "http" ? isOurs(host) : scheme === "https" && names.has(host);
  }
}

/** A proxy may have gone by the other one (RFC 9112, 3.2). */
function checkOneHost({ headersDistinct }: IncomingMessage): void {
  if ((headersDistinct.host ?? []).length > 1) throw new PlatformError("BAD_REQUEST", "The header Host came twice.");
}

/** A client's bytes in an error's text: bounded and printable. */
function quote(value: string | undefined): string {
  return value === undefined ? "an unnamed place" : JSON.stringify(value.slice(0, 100));
}
