import type { AccountId, EnvironmentId, OwnerId, ShareKind, ShareRole, TerminalId } from "@microterm/protocol";
import type { GrantFacts } from "../../access/principal.ts";

/** A terminal that is shared, as stored. It goes with its environment, and with the account that made it. */
export interface ShareRow {
  readonly id: string;
  readonly kind: ShareKind;
  /** Of a link: SHA-256 of its code. */
  readonly codeHash: string | null;
  readonly environment: EnvironmentId;
  readonly terminal: TerminalId;
  readonly role: ShareRole;
  readonly createdBy: AccountId;
  readonly createdAt: string;
  readonly expiresAt: string;
  /** Of a link: how many more principals it lets in. */
  readonly usesLeft: number | null;
  readonly withoutAccount: boolean;
  /** From then on it lets in nobody without an account who was not let in before. */
  readonly anonymousEndedAt: string | null;
  readonly scrollback: boolean;
}

/** What a share has let in: an account, or a browser by the hash of its secret. It goes with its share. */
export interface GrantRow {
  readonly id: string;
  readonly share: string;
  readonly account: AccountId | null;
  readonly browser: string | null;
  /** What a person without an account calls themselves. */
  readonly name: string | null;
  readonly granted: ShareRole;
  readonly asked: ShareRole;
  readonly createdAt: string;
}

/** A grant with all that it depends on. */
export interface Grant extends GrantRow, GrantFacts {
  readonly environment: EnvironmentId;
  readonly terminal: TerminalId;
  /** Of the environment. */
  readonly owner: OwnerId;
  readonly ownerName: string;
  /** Null without an account. */
  readonly accountName: string | null;
  readonly scrollback: boolean;
  readonly expiresAt: string;
}

export interface SharesOfEnvironment {
  readonly shares: readonly ShareRow[];
  readonly grants: readonly Grant[];
}

/** All of an environment; all that an account has made (`maker`), and with `account` all that it was granted, too. */
export type WhoseShares =
  | { readonly environment: EnvironmentId }
  | { readonly maker: AccountId }
  | { readonly account: AccountId };

/**
 * Shares and their grants. One is live while its time is not over, the account that made it is neither disabled nor a visitor and, but for
 * a look-in, still owns the environment. What is not live is not found.
 */
export interface ShareRepository {
  /**
   * With `grant`, which is made at once for a share with an account. Rejects with `TOO_MANY` where the environment has `most` of them. False
   * where the environment is not there any more, or another's by now.
   */
  insert(share: ShareRow, options: { readonly most: number; readonly grant: GrantRow | null }): Promise<boolean>;
  /** By the hash of a link's code, used up or not; with the name of the account that made it. */
  find(codeHash: string, now: string): Promise<(ShareRow & { readonly ownerName: string }) | null>;
  ofEnvironment(environment: EnvironmentId, now: string): Promise<SharesOfEnvironment>;
  /** With its grants, whose ids it resolves with; null: there was none. */
  remove(environment: EnvironmentId, share: string): Promise<readonly string[] | null>;
  /**
   * Spends a use of a link for `grant`, or nothing where its principal has one already, which is the answer then. Who had left is back as
   * `grant`, with the role that they had. Null where the link is not live or used up, and for whom it lets in no longer.
   */
  accept(codeHash: string, grant: Omit<GrantRow, "share" | "granted" | "asked">, now: string): Promise<Grant | null>;

  grant(id: string, now: string): Promise<Grant | null>;
  /** Of an account, or of a browser. */
  grantsOf(principal: Pick<GrantRow, "account" | "browser">, now: string): Promise<readonly Grant[]>;
  /** False: it was removed, or its principal has left. */
  setRole(id: string, role: Partial<Pick<GrantRow, "granted" | "asked">>): Promise<boolean>;
  /** Whom it lets in from now on looks on alone. */
  lowerRole(share: string): Promise<void>;
  /**
   * By the owner: its principal is not let in again by the same share, and nor is anybody new without an account, who may be the same
   * person. False: there is none.
   */
  removeGrant(id: string, now: string): Promise<boolean>;
  /** By its principal, who may come again. False: there is none. */
  leave(id: string, now: string): Promise<boolean>;
  /** What an account was granted it leaves. Resolves with the ids of grants that went. */
  removeOf(whose: WhoseShares, now: string): Promise<readonly string[]>;
  /** What is not live any more. */
  removeEnded(now: string): Promise<number>;
}
