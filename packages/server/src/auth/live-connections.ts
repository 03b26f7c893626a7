import type { CredentialService } from "@microterm/core";
import type { EnvironmentId } from "@microterm/protocol";
import type { Identity } from "./authenticator.ts";

/** Close codes of docs/reference/terminal-protocol.md. */
export const CLOSE = {
  normal: 1000,
  protocolError: 1002,
  internalError: 1011,
  serverShutdown: 1012,
  credentialRevoked: 4401,
  environmentGone: 4404,
} as const;

/** What a client is told when its connection is closed. */
export interface CloseReason {
  readonly code: number;
  readonly reason: string;
}

/** A WebSocket or event stream that lives on after its request was let in. */
interface LiveConnection {
  readonly identity: Pick<Identity, "hash" | "expiresAt" | "since">;
  /** What it leads to; null: to none, or to all that its actor may see. */
  readonly environment: EnvironmentId | null;
  close(code: number, reason: string): void;
  /** Ends a connection whose peer has not been heard of since the last call. Called every 30 s. */
  keepAlive(): void;
}

export interface LiveConnections {
  /** Returns what forgets it. Closed at once where its credential was revoked since it was looked at. */
  add(connection: LiveConnection): () => void;
  readonly size: number;
  /** Those that lead to an environment, which its owner may not see any more. */
  closeOf(environment: EnvironmentId): void;
  closeAll(code: number, reason: string): void;
  dispose(): void;
}

/** One timer for all: dead peers and expired credentials are found within this time. No request takes as long to open a connection. */
const SWEEP_MS = 30_000;

export function createLiveConnections(credentials: Pick<CredentialService, "subscribe">): LiveConnections {
  const connections = new Set<LiveConnection>();
  const closeWhere = (matches: (connection: LiveConnection) => boolean, code: number, reason: string) => {
    for (const connection of [...connections]) if (matches(connection)) connection.close(code, reason);
  };
  /** When, by `performance.now()`. */
  const revoked = new Map<string, number>();
  const unsubscribe = credentials.subscribe((hash) => {
    revoked.set(hash, performance.now());
    closeWhere(({ identity }) => identity.hash === hash, CLOSE.credentialRevoked, "signed out");
  });
  const timer = setInterval(() => {
    const now = new Date().toISOString();
    closeWhere(
      ({ identity }) => identity.expiresAt !== null && identity.expiresAt <= now,
      CLOSE.credentialRevoked,
      "the credential has expired",
    );
    for (const connection of [...connections]) connection.keepAlive();
    for (const [hash, at] of revoked) if (performance.now() - at > SWEEP_MS) revoked.delete(hash);
  }, SWEEP_MS);
  timer.unref();
  return {
    add(connection) {
      connections.add(connection);
      const { hash, since } = connection.identity;
      if ((revoked.get(hash) ?? -1) >= since) connection.close(CLOSE.credentialRevoked, "signed out");
      return () => {
        connections.delete(connection);
      };
    },
    get size() {
      return connections.size;
    },
    closeOf: (environment) =>
      closeWhere(
        (connection) => connection.environment === environment,
        CLOSE.environmentGone,
        "the environment is another account's now",
      ),
    closeAll: (code, reason) => closeWhere(() => true, code, reason),
    dispose() {
      clearInterval(timer);
      unsubscribe();
    },
  };
}
