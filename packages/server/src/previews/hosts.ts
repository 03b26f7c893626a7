import type { IncomingMessage } from "node:http";
import type { PreviewTarget } from "@microterm/core";
import type { EnvironmentId, PreviewAddresses } from "@microterm/protocol";
import { EnvironmentId as Id } from "@microterm/protocol";
import { forwardedOf } from "../fleet/forwarded.ts";

/** `{port}-{id}.` and what follows: a label of an origin of its own for each port of each environment. */
const HOST = /^([1-9]\d{0,4})-([a-z0-9]{12})\.(.{1,200})$/;
/** The hosts under which the server's own page may be reached on a loopback interface, the near end of a tunnel included. */
const LOOPBACK = /^(?:127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/;

/** A preview's host, as a browser sends it. */
export interface PreviewHost extends PreviewTarget {
  /** As it was sent, in lower case: name and port. */
  readonly authority: string;
  readonly scheme: "http" | "https";
}

export interface PreviewHosts {
  /** Null: a request's host is not a preview's. A peer that forwards it has found out. */
  of(request: IncomingMessage): PreviewHost | null;
  /** What there is for who has reached the server as `host`. */
  addressesFor(host: string | undefined): PreviewAddresses;
  /** `http://3000-….localhost:7681`, for who has reached the server as `host`; null where there is none. */
  originOf(target: PreviewTarget, host: string | undefined): string | null;
}

export interface PreviewHostsOptions {
  /** The server's own; asked each time: it is known once the server listens. */
  readonly port: () => number;
  /** Both loopback addresses are the server's own on that port, so that nobody else answers under a name of `localhost`. */
  readonly isLoopbackOurs: () => boolean;
  /** `--allow-host`. */
  readonly allowed: readonly string[];
  /** `--preview-domain`, with a port where that is not 443; previews are https there. */
  readonly domain: string | null;
}

export function createPreviewHosts({ port, isLoopbackOurs, allowed, domain }: PreviewHostsOptions): PreviewHosts {
  const tunnels = allowed.map((host) => LOOPBACK.exec(host)).filter((found) => found !== null);
  const suffixes = new Set(tunnels.map(([, near = ""]) => `localhost${near}`));
  const schemeOf = (suffix: string): "http" | "https" | null => {
    if (domain !== null && suffix === domain) return "https";
    if (!isLoopbackOurs()) return null;
    return suffix === `localhost:${port()}` || suffixes.has(suffix) ? "http" : null;
  };
  const hosts: PreviewHosts = {
    of(request) {
      const authority = request.headers.host?.toLowerCase();
      const [, number = "", id, suffix] = HOST.exec(authority ?? "") ?? [];
      if (authority === undefined || id === undefined || suffix === undefined || Number(number) > 65_535) return null;
      const forwarded = forwardedOf(request);
      const scheme = forwarded === null ? schemeOf(suffix) : forwarded.preview;
      return scheme === null ? null : { environment: Id.parse(id), port: Number(number), authority, scheme };
    },

    addressesFor(host) {
      if (domain !== null) return { kind: "domain", domain };
      if (!LOOPBACK.test(host?.toLowerCase() ?? "")) return { kind: "none", obstacle: "no-domain" };
      return isLoopbackOurs() ? { kind: "localhost" } : { kind: "none", obstacle: "loopback-not-ours" };
    },

    originOf({ environment, port: target }, host) {
      const label = labelOf(environment, target);
      const addresses = hosts.addressesFor(host);
      if (addresses.kind === "domain") return `https://${label}.${addresses.domain}`;
      if (addresses.kind === "none") return null;
      const [, near = ""] = LOOPBACK.exec(host?.toLowerCase() ?? "") ?? [];
      return `http://${label}.localhost${near}`;
    },
  };
  return hosts;
}

const labelOf = (environment: EnvironmentId, port: number): string => `${port}-${environment}`;
