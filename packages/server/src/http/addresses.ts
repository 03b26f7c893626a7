import type { IncomingMessage } from "node:http";
import { PlatformError } from "@microterm/protocol";

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

/** `port` is asked each time: it is known once the server listens. */
export function createAddresses(port: () => number): Addresses {
  return {
    cookieName: () => `microterm_session_${port()}`,
    checkHost(request) {
      const host = request.headers.host?.toLowerCase();
      if (HOST_NAMES.some((name) => host === `${name}:${port()}`)) return;
      throw new PlatformError("FORBIDDEN_HOST", `The server does not answer to the name ${quote(host)}.`);
    },
    checkOrigin(request, { required }) {
      const origin = request.headers.origin;
      if (origin === undefined && !required) return;
      if (HOST_NAMES.some((name) => origin === `http://${name}:${port()}`)) return;
      throw new PlatformError("FORBIDDEN_ORIGIN", `Requests from ${quote(origin)} are not accepted.`);
    },
  };
}

/** A client's bytes in an error's text: bounded and printable. */
function quote(value: string | undefined): string {
  return value === undefined ? "an unnamed place" : JSON.stringify(value.slice(0, 100));
}
