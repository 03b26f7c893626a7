import type { AnonymousLinks, OwnerId, ShareKind, ShareRole } from "@microterm/protocol";
import type { Actor } from "./actor.ts";
import { can } from "./authorize.ts";

/**
 * Who looks at a terminal that is shared: an account, or a browser without one, which is known by the hash of a secret of its own and may
 * do nothing but what was granted to it.
 */
export type Principal =
  | { readonly kind: "account"; readonly actor: Actor }
  | { readonly kind: "browser"; readonly hash: string; readonly address: string | null };

/** What a grant says, as far as a role depends on it. The caller has found it unexpired. */
export interface GrantFacts {
  readonly kind: ShareKind;
  /** Whose it is: one of both. */
  readonly account: OwnerId | null;
  readonly browser: string | null;
  /** What the owner of the terminal lets them be. */
  readonly granted: ShareRole;
  /** What they want to be. */
  readonly asked: ShareRole;
  /** Whether the share lets in people without an account. */
  readonly withoutAccount: boolean;
}

const lower = (one: ShareRole, other: ShareRole): ShareRole =>
  one === "editor" && other === "editor" ? one : "viewer";

/** What people without an account may be by this share, under the instance's rule. */
export function anonymousRoleOf(
  { role, withoutAccount }: { readonly role: ShareRole; readonly withoutAccount: boolean },
  rule: AnonymousLinks,
): AnonymousLinks {
  return !withoutAccount || rule === "off" ? "off" : lower(role, rule);
}

/** Decides what a principal is at a terminal by a grant: the lower of asked and granted. Null: nothing. */
export function sharedRoleOf(principal: Principal, grant: GrantFacts, rule: AnonymousLinks): ShareRole | null {
  const role = lower(grant.granted, grant.asked);
  if (principal.kind === "browser") {
    if (grant.browser !== principal.hash) return null;
    const allowed = anonymousRoleOf({ role, withoutAccount: grant.withoutAccount }, rule);
    return allowed === "off" ? null : allowed;
  }
  const { actor } = principal;
  if (grant.account === null || grant.account !== actor.owner) return null;
  // Of an admin's: the account may have become a member since.
  const action = grant.kind === "look-in" ? "terminal.look-in" : "share.view";
  return can(actor, action, { owner: grant.account }) ? role : null;
}
