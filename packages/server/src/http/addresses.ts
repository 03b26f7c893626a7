import type { IncomingMessage } from "node:http";
import { ALLOWED_HOST, PlatformError } from "@microterm/protocol";

/** The names under which the server may be addressed. A name of anybody else's that resolves here (DNS rebinding) is refused. */
const HOST_NAMES = ["127.0.0.1", "localhost", "[::1]"] as const;

export interface Addresses {
  /** The name of the session's cookie. Browsers send cookies to every port of a host: two servers on one host need two names. */
  cookieName(): string;
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
  const isOurs = (host: string) => allowed.includes(host) || HOST_NAMES.some((name) => host === `${name}:${port()}`);
  return {
    cookieName: () => `microterm_session_${port()}`,
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
      if (proxied !== undefined && allowed.includes(proxied)) return;
      throw new PlatformError("FORBIDDEN_ORIGIN", `Requests from ${quote(origin)} are not accepted.`);
    },
  };
}

/** A client's bytes in an error's text: bounded and printable. */
function quote(value: string | undefined): string {
  return value === undefined ? "an unnamed place" : JSON.stringify(value.slice(0, 100));
}
