import type { CredentialService } from "@microterm/core";

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
  readonly credentialHash: string;
  readonly credentialExpiresAt: string | null;
  close(code: number, reason: string): void;
  /** Ends a connection whose peer has not been heard of since the last call. Called every 30 s. */
  keepAlive(): void;
}

export interface LiveConnections {
  /** Returns what forgets it. */
  add(connection: LiveConnection): () => void;
  readonly size: number;
  closeAll(code: number, reason: string): void;
  dispose(): void;
}

/** One timer for all: dead peers and expired credentials are found within this time. */
const SWEEP_MS = 30_000;

export function createLiveConnections(credentials: CredentialService): LiveConnections {
  const connections = new Set<LiveConnection>();
  const closeWhere = (matches: (connection: LiveConnection) => boolean, code: number, reason: string) => {
    for (const connection of [...connections]) if (matches(connection)) connection.close(code, reason);
  };
  const unsubscribe = credentials.subscribe((hash) =>
    closeWhere((connection) => connection.credentialHash === hash, CLOSE.credentialRevoked, "signed out"),
  );
  const timer = setInterval(() => {
    const now = new Date().toISOString();
    closeWhere(
      ({ credentialExpiresAt }) => credentialExpiresAt !== null && credentialExpiresAt <= now,
      CLOSE.credentialRevoked,
      "the credential has expired",
    );
    for (const connection of [...connections]) connection.keepAlive();
  }, SWEEP_MS);
  timer.unref();
  return {
    add(connection) {
      connections.add(connection);
      return () => {
        connections.delete(connection);
      };
    },
    get size() {
      return connections.size;
    },
    closeAll: (code, reason) => closeWhere(() => true, code, reason),
    dispose() {
      clearInterval(timer);
      unsubscribe();
    },
  };
}
