import { lookup } from "node:dns/promises";
import type { Log } from "@microterm/core";
import type { ClusterApi } from "../cluster/cluster-api.ts";

/** Nodes come and go in minutes. */
export const KNOWN_MS = 30_000;

/** What each of a cluster's own addresses is known by, and what is open where that may not be read. */
const LOSSES = {
  nodes: "nodes may not be listed: those with public addresses are not excepted from network policies",
  server:
    "the endpoints of the API server may not be read: where it has a public address of its own, network policies do not except that",
} as const;

/** IPv4 addresses that are the cluster's own, which no policy opens: those of its nodes and of its API server. */
export class ClusterAddresses {
  readonly #api: ClusterApi;
  readonly #log: Log;
  #known: readonly string[] = [];
  #knownAt: number | null = null;
  readonly #warned = new Set<keyof typeof LOSSES>();

  constructor(api: ClusterApi, log: Log) {
    this.#api = api;
    this.#log = log;
  }

  /** As they were within the last half minute, sorted. Rejects like the API. */
  async current(): Promise<readonly string[]> {
    const isRecent = this.#knownAt !== null && performance.now() - this.#knownAt < KNOWN_MS;
    return isRecent ? this.#known : this.look();
  }

  /** As they are now. */
  async look(): Promise<readonly string[]> {
    const [nodes, endpoints, reached] = await Promise.all([
      this.#api.nodeAddresses(),
      this.#api.serverAddresses(),
      this.#reached(),
    ]);
    if (nodes === null) this.#warn("nodes");
    if (endpoints === null) this.#warn("server");
    this.#known = [...new Set([...(nodes ?? []), ...(endpoints ?? []), ...reached])].sort();
    this.#knownAt = performance.now();
    return this.#known;
  }

  /** Of those that were known last. */
  has(address: string): boolean {
    return this.#known.includes(address);
  }

  /** Where this server reaches the API server. */
  async #reached(): Promise<readonly string[]> {
    const { hostname } = new URL(this.#api.server);
    // Of IPv6 alone there is none to say.
    const found = await lookup(hostname, { family: 4, all: true }).catch(() => []);
    return found.map(({ address }) => address);
  }

  #warn(what: keyof typeof LOSSES): void {
    if (this.#warned.has(what)) return;
    this.#warned.add(what);
    this.#log.warn(LOSSES[what]);
  }
}
