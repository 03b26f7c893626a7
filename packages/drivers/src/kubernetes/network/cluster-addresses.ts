import { lookup } from "node:dns/promises";
import type { Log } from "@microterm/core";
import type { ClusterApi } from "../cluster/cluster-api.ts";

/** Nodes come and go in minutes. */
const KNOWN_MS = 60_000;

/** IPv4 addresses that are the cluster's own, which no policy opens: those of its nodes and of its API server. */
export class ClusterAddresses {
  readonly #api: ClusterApi;
  readonly #log: Log;
  #known: ReadonlySet<string> = new Set();
  #knownAt: number | null = null;
  #hasWarned = false;

  constructor(api: ClusterApi, log: Log) {
    this.#api = api;
    this.#log = log;
  }

  /** As they were within the last minute. Rejects like the API. */
  async current(): Promise<readonly string[]> {
    if (this.#knownAt === null || performance.now() - this.#knownAt > KNOWN_MS) {
      const [nodes, server] = await Promise.all([this.#api.nodeAddresses(), this.#apiServer()]);
      if (nodes === null) this.#warn();
      this.#known = new Set([...(nodes ?? []), ...server]);
      this.#knownAt = performance.now();
    }
    return [...this.#known];
  }

  /** Of those that were known last. */
  has(address: string): boolean {
    return this.#known.has(address);
  }

  async #apiServer(): Promise<readonly string[]> {
    const { hostname } = new URL(this.#api.server);
    // Of IPv6 alone there is none to say.
    const found = await lookup(hostname, { family: 4, all: true }).catch(() => []);
    return found.map(({ address }) => address);
  }

  #warn(): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#log.warn("nodes may not be listed: those with public addresses are not excepted from network policies");
  }
}
