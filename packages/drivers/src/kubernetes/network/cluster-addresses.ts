import { lookup } from "node:dns/promises";
import type { Log } from "@microterm/core";
import type { ClusterApi } from "../cluster/cluster-api.ts";

type AddressSource = Pick<ClusterApi, "server" | "nodeAddresses" | "serverAddresses">;

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
  readonly #api: AddressSource;
  readonly #log: Log;
  #known: readonly string[] = [];
  /** What each was last seen to be: one that cannot be asked for a moment opens nothing. */
  #nodes: readonly string[] = [];
  #endpoints: readonly string[] = [];
  #reachedAt: readonly string[] = [];
  #knownAt: number | null = null;
  readonly #warned = new Set<keyof typeof LOSSES>();

  constructor(api: AddressSource, log: Log) {
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
    this.#nodes = nodes ?? this.#nodes;
    this.#endpoints = endpoints ?? this.#endpoints;
    this.#reachedAt = reached ?? this.#reachedAt;
    this.#known = [...new Set([...this.#nodes, ...this.#endpoints, ...this.#reachedAt])].sort();
    this.#knownAt = performance.now();
    return this.#known;
  }

  /** Of those that were known last. */
  has(address: string): boolean {
    return this.#known.includes(address);
  }

  /** Where this server reaches the API server; null where its name cannot be looked up, or has IPv6 addresses alone. */
  async #reached(): Promise<readonly string[] | null> {
    const { hostname } = new URL(this.#api.server);
    const found = await lookup(hostname, { family: 4, all: true }).catch(() => null);
    return found?.map(({ address }) => address) ?? null;
  }

  #warn(what: keyof typeof LOSSES): void {
    if (this.#warned.has(what)) return;
    this.#warned.add(what);
    this.#log.warn(LOSSES[what]);
  }
}
