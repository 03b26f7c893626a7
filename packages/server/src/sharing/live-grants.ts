import type { Admission, EnvironmentService, Principal, SharingService } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import { CLOSE, type CloseReason } from "../auth/live-connections.ts";

/** One person has a few windows; a grant must not be the whole world's. */
const MOST_CONNECTIONS = 16;
/** The longest time of a timer (2^31 - 1 ms, some 25 days). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const ENDED: CloseReason = { code: CLOSE.credentialRevoked, reason: "this terminal is not shared with you any more" };
const UNKNOWN: CloseReason = {
  code: CLOSE.serverShutdown,
  reason: "it cannot be found out whether this is still shared",
};

interface LiveGrant {
  readonly principal: Principal;
  readonly admission: Admission;
  /** What the grant is now. */
  changed(admission: Admission): void;
  close(reason: CloseReason): void;
}

/** Connections to shared terminals: each follows its grant until that ends. */
export interface LiveGrants {
  /** Follows a connection, and asks at once what the grant is now. Returns what forgets it; null: it has too many connections. */
  add(connection: LiveGrant): (() => void) | null;
  /** Asks what each grant is now. */
  askAll(): void;
  dispose(): void;
}

export interface LiveGrantsOptions {
  readonly sharing: SharingService;
  readonly environments: Pick<EnvironmentService, "subscribe">;
  readonly log: { error(fields: object, message: string): void };
}

export function createLiveGrants({ sharing, environments, log }: LiveGrantsOptions): LiveGrants {
  const connections = new Map<string, Set<() => void>>();
  const owners = new Map<() => void, Admission>();

  const unsubscribe = [
    sharing.subscribe((grant) => {
      for (const ask of [...(connections.get(grant) ?? [])]) ask();
    }),
    environments.subscribe(({ id, owner }) => {
      // It was given to another account.
      for (const [ask, admission] of owners) if (admission.environment === id && admission.owner !== owner) ask();
    }),
  ];

  return {
    add({ principal, admission: { id, ...first }, changed, close }) {
      const own = connections.get(id) ?? new Set();
      if (own.size >= MOST_CONNECTIONS) return null;
      let asked = 0;
      let timer: NodeJS.Timeout | undefined;
      const endLater = (expiresAt: string): void => {
        clearTimeout(timer);
        const leftMs = Math.max(0, Date.parse(expiresAt) - Date.now());
        timer = setTimeout(ask, Math.min(leftMs, LONGEST_TIMER_MS)).unref();
      };
      function ask(): void {
        const number = ++asked;
        const isLatest = () => number === asked && own.has(ask);
        sharing.admit(principal, id).then(
          (admission) => {
            if (!isLatest()) return;
            endLater(admission.expiresAt);
            changed(admission);
          },
          (error: unknown) => {
            if (!isLatest()) return;
            const isEnded = error instanceof PlatformError && error.code === "NOT_FOUND";
            if (!isEnded) log.error({ err: error }, "a grant could not be looked up");
            close(isEnded ? ENDED : UNKNOWN);
          },
        );
      }
      own.add(ask);
      connections.set(id, own);
      owners.set(ask, { id, ...first });
      // It may have changed since it was looked up.
      ask();
      return () => {
        clearTimeout(timer);
        own.delete(ask);
        owners.delete(ask);
        if (own.size === 0) connections.delete(id);
      };
    },
    askAll() {
      for (const ask of [...owners.keys()]) ask();
    },
    dispose() {
      for (const end of unsubscribe) end();
    },
  };
}
