import type {
  AuditAction,
  AuditDetails,
  AuditEntry,
  AuditFilter,
  AuditId,
  AuditOutcome,
  AuditPage,
  EnvironmentId,
} from "@microterm/protocol";
import type { Actor } from "../access/actor.ts";
import type { Principal } from "../access/principal.ts";
import type { Faults } from "../machines/faults.ts";
import type { Clock, Log, Randomness } from "../ports/clock.ts";
import type { AccountRow } from "../ports/repositories/account-repository.ts";
import type { Repositories, Storage } from "../ports/repository.ts";

/** Who does it: somebody, the server by itself, or a client that nobody has signed in from. */
export type By = Actor | "server" | Nobody;

export interface Nobody {
  readonly owner: null;
  readonly origin: { readonly via: "none"; readonly credential: null; readonly address: string | null };
}

export const nobodyAt = (address: string | null): Nobody => ({
  owner: null,
  origin: { via: "none", credential: null, address },
});

export const byOf = (principal: Principal): By =>
  principal.kind === "account" ? principal.actor : nobodyAt(principal.address);

/** What is done, to which. What an entry may say of it is `AUDIT_DETAILS`' alone; texts that are too long are cut. */
export type Act<A extends AuditAction = AuditAction> = {
  [Each in A]: {
    readonly action: Each;
    readonly environment?: EnvironmentId | null;
    /** The id of what else it is done to, of 64 characters at most. */
    readonly target?: string | null;
    readonly detail?: AuditDetails[Each];
  };
}[A];

/** An act that has begun. */
export interface BegunAct {
  /** Writes how it ended, once: later calls have no effect. Never rejects, since it has been done by then: what cannot be written is logged. */
  ended(
    outcome: Exclude<AuditOutcome, "begun">,
    more?: { readonly code?: string; readonly detail?: object },
  ): Promise<void>;
}

/**
 * The audit log: who did what to which, from where, with what outcome.
 *
 *   `change`   an act that is a change of the database: in one transaction with its entry
 *   `begin`    an act that is none: an entry before it begins, and one of its end, which names the first
 *   `attempt`  writes an entry where an act does not come about
 *   `note`     for what is not worth failing over
 *
 * What is refused or fails is written as such by `attempt`, which stands around either of the first two. A change that was made and then
 * taken back, because the host could not follow it, is there twice: as `done`, and as `failed`.
 */
export interface AuditLog {
  /**
   * Runs a change and writes its entry, or neither. Nothing is written where it resolves with null or false: it has changed nothing. Within
   * `run`, only the repositories that it is given may be asked. A change may be several acts.
   */
  change<T>(by: By, act: Act | readonly Act[], run: (repositories: Repositories) => Promise<T>): Promise<T>;
  /** Rejects where the entry cannot be written: then the act is not to be begun. */
  begin(by: By, act: Act): Promise<BegunAct>;
  /**
   * Runs an act and hands on what comes of it. Where it rejects, writes an entry: `failed`, or `refused` for the caller's errors. Of these the first
   * one of a minute, of an account, action and code, is written at once; the others of that minute as a count, as failed sign-ins are.
   */
  attempt<T>(by: By, act: Act | readonly Act[], run: () => Promise<T>): Promise<T>;
  /** An entry of what was done. Never rejects. */
  note(by: By, act: Act): Promise<void>;
  /** What entries say of a program that is run: its name and how many arguments it has, and these where the instance keeps them. */
  program(command: readonly string[]): AuditDetails["exec"];
  /**
   * A sign-in that failed, by nobody. The first one of a minute, from an address to an account, is written at once; the others of that
   * minute as a count, when it is over or the log is closed. Never rejects.
   */
  signInFailed(attempt: FailedSignIn): Promise<void>;

  /** `audit.read`: an admin. The newest entries first, at most `MAX_AUDIT_PAGE`. */
  page(
    actor: Actor,
    filter: AuditFilter,
    paging: { readonly cursor: AuditId | null; readonly limit: number },
  ): Promise<AuditPage>;
  /** All entries, the newest first, in pieces. That it was done is an entry, too. Rejects before the first piece. */
  export(actor: Actor, filter: AuditFilter): Promise<AsyncIterable<readonly AuditEntry[]>>;

  /** Deletes what is older than it is kept, and writes what was counted of minutes that are over. Resolves with how many it has deleted. */
  sweep(): Promise<number>;
  /** Writes what is only counted yet. */
  close(): Promise<void>;
}

/** What a session was opened by. */
export type SignInWay = "password" | "link" | "invitation" | "reset" | "oidc";

export interface FailedSignIn {
  readonly address: string | null;
  readonly way: SignInWay | "token" | "share";
  /** That was asked for, where it is there. Anything else that was typed as a name is not kept. */
  readonly account: Pick<AccountRow, "id" | "name"> | null;
}

export interface AuditLogOptions {
  readonly storage: Pick<Storage, "audit" | "transaction">;
  readonly clock: Clock;
  readonly random: Randomness;
  readonly log: Log;
  /** How long entries are kept; 0: for ever. */
  readonly days: number;
  /** Whether entries have the arguments of programs. */
  readonly keepsArguments: boolean;
  readonly faults?: Faults;
}
