import type {
  AnonymousLinks,
  CreatedShare,
  EnvironmentId,
  Share,
  SharedTerminal,
  ShareGrant,
  SharePreview,
  ShareRole,
  ShareTerms,
  TerminalId,
} from "@microterm/protocol";
import type { Actor } from "../access/actor.ts";
import type { Principal } from "../access/principal.ts";
import type { AuditLog } from "../audit/audit-log.ts";
import type { Clock, Randomness } from "../ports/clock.ts";
import type { Grant, WhoseShares } from "../ports/repositories/share-repository.ts";
import type { Storage } from "../ports/repository.ts";

/**
 * Terminals that are shared with people: who may see them, and who may type.
 *
 *   `share`   what an owner makes: for one account, or a link for anyone who has it, of whose code only a hash is kept
 *   `grant`   what one principal has by a share. A share with an account has its grant at once; a link is accepted first
 *   `role`    the lower of what was granted and what is asked for; decided again at every change, by `sharedRoleOf`
 *
 * A paused or stopped environment keeps its shares. They end with their time, with the environment, when it is given to another account,
 * and with the account that made them. Methods with an actor ask `authorize`; they reject with `ENVIRONMENT_NOT_FOUND` and `FORBIDDEN`.
 */
export interface SharingService {
  /** Rejects with `TERMINAL_NOT_FOUND`, `NOT_FOUND` for an account that is not there, `TOO_MANY`, and `FORBIDDEN` by the instance's rule. */
  share(actor: Actor, target: TerminalReference, terms: ShareTerms): Promise<CreatedShare>;
  shares(actor: Actor, reference: string): Promise<readonly Share[]>;
  /** Ends it with all that it let in. Rejects with `NOT_FOUND`. */
  revoke(actor: Actor, reference: string, share: string): Promise<void>;
  /**
   * Gives the keyboard, or takes it back; of a link that lets people without an account type, those who come later look on alone then. Rejects with `NOT_FOUND`, and `FORBIDDEN` by the
   * instance's rule.
   */
  setRole(actor: Actor, grant: GrantReference, role: ShareRole): Promise<ShareGrant>;
  /** Not to be had again by the same share, which from then on lets in nobody new without an account. Rejects with `NOT_FOUND`. */
  removeGrant(actor: Actor, grant: GrantReference): Promise<void>;
  /** An admin's grant to see another's terminal for an hour. Without its entry in the audit log it is not made. */
  lookIn(actor: Actor, environment: EnvironmentId, terminal: TerminalId): Promise<SharedTerminal>;

  /** What a link is; nothing is spent. Rejects with `SHARE_ENDED`. */
  look(code: string, address: string | null): Promise<SharePreview>;
  /**
   * Makes the principal's grant, and spends a use; the same principal again gets its grant, and spends none. Who has left comes back as
   * what they were; whose grant the owner has removed does not. Rejects with `SHARE_ENDED`, and
   * `UNAUTHENTICATED` where the link is for people with an account.
   */
  accept(principal: Principal, code: string, name?: string): Promise<SharedTerminal>;
  shared(principal: Principal): Promise<readonly SharedTerminal[]>;
  /** Rejects with `NOT_FOUND`. */
  leave(principal: Principal, grant: string): Promise<void>;
  /** Who comes to the terminal by a grant, as it is now. Rejects with `NOT_FOUND`. */
  admit(principal: Principal, grant: string): Promise<Admission>;
  /** The principal asks to type, or does not want to any more. */
  ask(principal: Principal, grant: string, isWanted: boolean): Promise<void>;

  /** For who gives an environment to another account, disables an account or makes it a visitor. */
  endOf(whose: WhoseShares): Promise<void>;
  /** Called with the id of every grant that has changed or ended: ask {@link admit} what it is now. Returns what ends it. */
  subscribe(listener: (grant: string) => void): () => void;
  /** Deletes what has ended. */
  sweep(): Promise<number>;
}

export interface TerminalReference {
  readonly reference: string;
  readonly terminal: TerminalId;
}

export interface GrantReference {
  readonly reference: string;
  readonly grant: string;
}

/** A grant, and what it makes of the principal that has it. */
export interface Admission extends Grant {
  readonly role: ShareRole;
}

export interface SharingServiceOptions {
  readonly storage: Pick<Storage, "accounts" | "environments" | "shares" | "fleet">;
  readonly audit: AuditLog;
  /** As the environment service's. */
  readonly locate: (actor: Actor, reference: string, action: "terminal.share") => Promise<EnvironmentId>;
  /** Rejects where the environment does not run, and with `TERMINAL_NOT_FOUND`. */
  readonly requireTerminal: (environment: EnvironmentId, terminal: TerminalId) => Promise<void>;
  /** What a terminal's program calls it; empty where that is not known. */
  readonly titleOf: (environment: EnvironmentId, terminal: TerminalId) => Promise<string>;
  /** What people without an account may be at most. */
  readonly anonymousLinks: AnonymousLinks;
  readonly clock: Clock;
  readonly random: Randomness;
  /** SHA-256 of the UTF-8 of `text`, in lower-case hexadecimal. */
  readonly sha256: (text: string) => string;
}
