import type { CredentialService, PreviewGrant, PreviewService } from "@microterm/core";
import type { EnvironmentId } from "@microterm/protocol";

const SWEEP_MS = 30_000;

interface Open {
  readonly grant: Pick<PreviewGrant, "hash" | "credential" | "environment" | "expiresAt">;
  readonly destroy: () => void;
}

/** Requests and WebSockets of previews that are under way: they end with the session, or the shared link, that let them in. */
export interface OpenPreviews {
  /** Returns what forgets it. */
  add(grant: Open["grant"], destroy: () => void): () => void;
  /** Those of an environment, which its owner may not see any more. */
  closeOf(environment: EnvironmentId): void;
  closeAll(): void;
  /** The hashes of the grants that let them in. */
  grants(): readonly string[];
  dispose(): void;
}

export function createOpenPreviews(
  credentials: Pick<CredentialService, "subscribe">,
  previews: Pick<PreviewService, "subscribe">,
): OpenPreviews {
  const all = new Set<Open>();
  const closeWhere = (matches: (open: Open) => boolean): void => {
    for (const open of [...all]) if (matches(open)) open.destroy();
  };
  const unsubscribe = [
    credentials.subscribe((hash) => closeWhere(({ grant }) => grant.credential === hash)),
    previews.subscribe((hash) => closeWhere(({ grant }) => grant.hash === hash)),
  ];
  const timer = setInterval(() => {
    const now = new Date().toISOString();
    closeWhere(({ grant }) => grant.expiresAt <= now);
  }, SWEEP_MS);
  timer.unref();
  return {
    add(grant, destroy) {
      const open = { grant, destroy };
      all.add(open);
      return () => {
        all.delete(open);
      };
    },
    closeOf: (environment) => closeWhere(({ grant }) => grant.environment === environment),
    closeAll: () => closeWhere(() => true),
    grants: () => [...new Set([...all].map(({ grant }) => grant.hash))],
    dispose() {
      clearInterval(timer);
      for (const end of unsubscribe) end();
    },
  };
}
