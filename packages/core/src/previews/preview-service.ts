import type { EnvironmentId, OwnerId, PreviewLink } from "@microterm/protocol";
import type { Actor } from "../access/actor.ts";
import type { AuditLog } from "../audit/audit-log.ts";
import type { Clock, Randomness } from "../ports/clock.ts";
import type { Credential } from "../ports/repositories/account-repository.ts";
import type { PreviewGrant, Storage } from "../ports/repository.ts";

/** What a grant opens: one port of one environment. */
export interface PreviewTarget {
  readonly environment: EnvironmentId;
  readonly port: number;
}

/**
 * Who may look at what an environment serves at its ports.
 *
 *   `ticket`  opens one port once, within 30 s: how a session reaches an origin that its cookie does not. In memory only
 *   `grant`   what a browser keeps there as a cookie: of a session, with which it ends, or of a shared link
 *
 * Of all secrets only hashes are kept. Methods with an actor ask `authorize`.
 */
export interface PreviewService {
  /** `session` ends what the ticket opens. */
  issueTicket(
    actor: Actor,
    target: { readonly reference: string; readonly port: number },
    session: Pick<Credential, "hash">,
  ): Promise<IssuedTicket>;
  /** Spends a ticket for a cookie's secret; null where it is none, is spent, or opens something else. */
  redeem(ticket: string, target: PreviewTarget): Promise<IssuedGrant | null>;
  /** The grant of the first of these secrets that opens this; null: none does. */
  admit(secrets: readonly string[], target: PreviewTarget): Promise<PreviewGrant | null>;

  share(
    actor: Actor,
    reference: string,
    wish: { readonly port: number; readonly ttlSeconds: number },
  ): Promise<IssuedGrant & { readonly environment: EnvironmentId; readonly link: PreviewLink }>;
  links(actor: Actor, reference: string): Promise<readonly PreviewLink[]>;
  /** Rejects with `NOT_FOUND`. What was opened by it is closed. */
  revoke(actor: Actor, reference: string, link: string): Promise<void>;

  /** Closes what is open of an account's environments, by whomever. A disabled one's open no more. */
  closeAllOf(owner: OwnerId): Promise<void>;

  /** Tickets of an environment that is another account's now. */
  dropTickets(environment: EnvironmentId): void;

  /** Called with the hash of every grant that is revoked, or whose owner is. Returns what ends it. */
  subscribe(listener: (hash: string) => void): () => void;
  /** Has told of those that are no more, by their hashes: after notices of a fleet were lost. */
  recheck(hashes: readonly string[]): Promise<void>;
  /** Deletes what has expired. */
  sweep(): Promise<number>;
}

export interface IssuedTicket extends PreviewTarget {
  readonly secret: string;
  readonly expiresAt: string;
}

export interface IssuedGrant {
  readonly secret: string;
  readonly expiresAt: string;
}

export interface PreviewServiceOptions {
  readonly storage: Pick<Storage, "previews" | "credentials" | "fleet">;
  /** Over the same storage. */
  readonly audit: AuditLog;
  /** As the environment service's. */
  readonly locate: (
    actor: Actor,
    reference: string,
    action: "preview.open" | "preview.share",
  ) => Promise<EnvironmentId>;
  readonly clock: Clock;
  readonly random: Randomness;
  /** SHA-256 of the UTF-8 of `text`, in lower-case hexadecimal. */
  readonly sha256: (text: string) => string;
}
