import type { ServerResponse } from "node:http";
import type { CredentialService } from "@microterm/core";
import type { Identity } from "./authenticator.ts";

/** For what answers at once, the call that ends its own session among it. */
const GRACE_MS = 1000;
/** No request takes as long from its credential's look-up to `add`. */
const REMEMBERED_MS = 30_000;

/** Requests that are under way, by the hash of their credential: they end with it. */
export interface LiveRequests {
  /** Ends at once where its credential was revoked since it was looked at. */
  add(identity: Pick<Identity, "hash" | "since">, response: ServerResponse): void;
  dispose(): void;
}

export function createLiveRequests(credentials: Pick<CredentialService, "subscribe">): LiveRequests {
  const live = new Map<string, Set<ServerResponse>>();
  /** When, by `performance.now()`. */
  const revoked = new Map<string, number>();
  const unsubscribe = credentials.subscribe((hash) => {
    const at = performance.now();
    revoked.set(hash, at);
    setTimeout(() => revoked.get(hash) === at && revoked.delete(hash), REMEMBERED_MS).unref();
    for (const response of live.get(hash) ?? []) {
      // What streams, either way, ends now.
      if (response.headersSent || !response.req.complete) response.destroy();
      else setTimeout(() => response.destroy(), GRACE_MS).unref();
    }
  });
  return {
    add({ hash, since }, response) {
      if ((revoked.get(hash) ?? -1) >= since) {
        response.destroy();
        return;
      }
      const same = live.get(hash) ?? new Set();
      live.set(hash, same.add(response));
      response.once("close", () => {
        same.delete(response);
        if (same.size === 0 && live.get(hash) === same) live.delete(hash);
      });
    },
    dispose: unsubscribe,
  };
}
