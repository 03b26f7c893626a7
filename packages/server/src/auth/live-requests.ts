import type { ServerResponse } from "node:http";
import type { CredentialService } from "@microterm/core";
import type { EnvironmentId } from "@microterm/protocol";
import type { Identity } from "./authenticator.ts";

/** For what answers at once, the call that ends its own session among it. */
const GRACE_MS = 1000;
/** No request takes as long from its credential's look-up to `add`. */
const REMEMBERED_MS = 30_000;

/** Requests that are under way: they end with their credential, and those that act in an environment when that becomes another account's. */
export interface LiveRequests {
  /** Ends at once where its credential was revoked since it was looked at. */
  add(identity: Pick<Identity, "hash" | "since">, response: ServerResponse): void;
  /** From now on it acts in an environment, which is looked up for its actor after this. */
  entered(environment: EnvironmentId, response: ServerResponse): void;
  /** Those that act in an environment, which its owner may not see any more. */
  closeOf(environment: EnvironmentId): void;
  /** The hashes of the credentials that they came by. */
  credentials(): readonly string[];
  dispose(): void;
}

export function createLiveRequests(credentials: Pick<CredentialService, "subscribe">): LiveRequests {
  const live = createGroups<string>();
  const inside = createGroups<EnvironmentId>();
  /** When, by `performance.now()`. */
  const revoked = new Map<string, number>();
  const unsubscribe = credentials.subscribe((hash) => {
    const at = performance.now();
    revoked.set(hash, at);
    setTimeout(() => revoked.get(hash) === at && revoked.delete(hash), REMEMBERED_MS).unref();
    for (const response of live.of(hash)) {
      // What streams, either way, ends now, and a program that runs.
      if (response.headersSent || !response.req.complete || inside.has(response)) response.destroy();
      else setTimeout(() => response.destroy(), GRACE_MS).unref();
    }
  });
  return {
    add({ hash, since }, response) {
      if ((revoked.get(hash) ?? -1) >= since) response.destroy();
      else live.add(hash, response);
    },
    entered: (environment, response) => inside.add(environment, response),
    closeOf(environment) {
      for (const response of inside.of(environment)) response.destroy();
    },
    credentials: () => live.keys(),
    dispose: unsubscribe,
  };
}

interface Groups<K> {
  add(key: K, response: ServerResponse): void;
  of(key: K): readonly ServerResponse[];
  has(response: ServerResponse): boolean;
  keys(): readonly K[];
}

/** Answers by what they end with, until they have been sent or broken off. */
function createGroups<K>(): Groups<K> {
  const groups = new Map<K, Set<ServerResponse>>();
  return {
    add(key, response) {
      if (response.closed) return;
      const same = groups.get(key) ?? new Set();
      groups.set(key, same.add(response));
      response.once("close", () => {
        same.delete(response);
        if (same.size === 0 && groups.get(key) === same) groups.delete(key);
      });
    },
    of: (key) => [...(groups.get(key) ?? [])],
    keys: () => [...groups.keys()],
    has: (response) => [...groups.values()].some((same) => same.has(response)),
  };
}
