import { type OwnerId, PlatformError, type Role, type Scope } from "@microterm/protocol";
import type { Actor } from "./actor.ts";

interface Rule {
  /** The lowest role that may do it. */
  readonly role: Role;
  /** What a token needs for it; `none`: no token does it, only a session or the data folder's token. */
  readonly scope: Scope | "none";
  /**
   * Whose it is: `owner`: its owner alone. `host`: its owner, and who has the data folder. `admin`: its owner, and an admin. `instance`: the
   * resource has no owner.
   */
  readonly of: "owner" | "host" | "admin" | "instance";
}

/** What can be done. Each call of a service is one of these. */
const RULES = {
  /** State, lists, waiting. */
  "environment.read": { role: "visitor", scope: "environments:read", of: "admin" },
  /** What its guest says: terminals' names, the console, what it uses and what it was refused. */
  "environment.inspect": { role: "visitor", scope: "environments:read", of: "owner" },
  "environment.create": { role: "member", scope: "environments:write", of: "owner" },
  /** Start, times, limits, policies. */
  "environment.change": { role: "member", scope: "environments:write", of: "owner" },
  /** Pause and resume, which a backup does to what it copies. */
  "environment.pause": { role: "member", scope: "environments:write", of: "host" },
  "environment.stop": { role: "member", scope: "environments:write", of: "admin" },
  "environment.destroy": { role: "member", scope: "environments:write", of: "admin" },
  /** Gives it to another account. */
  "environment.transfer": { role: "admin", scope: "admin", of: "admin" },
  /** Programs. */
  "guest.exec": { role: "member", scope: "exec", of: "owner" },
  "guest.files": { role: "member", scope: "files", of: "owner" },
  /** Output, as it comes and as it was recorded. */
  "terminal.view": { role: "member", scope: "exec", of: "owner" },
  /** Typing, opening, closing, recording. */
  "terminal.use": { role: "member", scope: "exec", of: "owner" },
  /** Letting others see or type: no less than running programs. */
  "terminal.share": { role: "member", scope: "exec", of: "owner" },
  /** Seeing, and typing into, what others share with one's account. */
  "share.view": { role: "visitor", scope: "exec", of: "owner" },
  /** Seeing another owner's terminal, who is told. */
  "terminal.look-in": { role: "admin", scope: "none", of: "admin" },
  /** Requests and connections to ports. */
  "preview.open": { role: "member", scope: "exec", of: "owner" },
  /** Links by which others see what a port serves. */
  "preview.share": { role: "member", scope: "exec", of: "owner" },
  /** Names and members of shared networks. */
  "network.read": { role: "member", scope: "environments:read", of: "owner" },
  "network.change": { role: "member", scope: "environments:write", of: "owner" },
  /** One's own name, password, sessions, tokens and sign-in links. */
  "account.manage": { role: "visitor", scope: "none", of: "owner" },
  /** Accounts, invitations, quotas, and what all environments use. */
  "accounts.read": { role: "admin", scope: "admin", of: "instance" },
  "accounts.change": { role: "admin", scope: "admin", of: "instance" },
  "audit.read": { role: "admin", scope: "admin", of: "instance" },
} as const satisfies Record<string, Rule>;

export type Action = keyof typeof RULES;
export const ACTIONS = Object.keys(RULES) as readonly Action[];

export interface Resource {
  readonly owner: OwnerId;
}

/** `hidden`: the actor must not learn that it exists. */
export type Decision = "allowed" | "refused" | "hidden";

const RANK: Readonly<Record<Role, number>> = { visitor: 0, member: 1, admin: 2 };

/** Decides what an actor may do. No other place does. */
export function authorize(actor: Actor, action: Action, resource: Resource): Decision {
  const rule: Rule = RULES[action];
  if (rule.of !== "instance" && resource.owner !== actor.owner && !reachesOthers(actor, rule)) return "hidden";
  if (RANK[actor.role] < RANK[rule.role]) return "refused";
  if (actor.scopes === null) return "allowed";
  // What is another's, a token of an admin reaches only where it was made for that.
  const isForeign = rule.of !== "instance" && resource.owner !== actor.owner;
  if (isForeign && !actor.scopes.has("admin")) return "hidden";
  return rule.scope !== "none" && actor.scopes.has(rule.scope) ? "allowed" : "refused";
}

function reachesOthers({ role, origin }: Actor, { of }: Rule): boolean {
  if (role !== "admin") return false;
  return of === "admin" || (of === "host" && origin.via === "data-folder");
}

/** {@link authorize}, for who only asks whether. */
export const can = (actor: Actor, action: Action, resource: Resource): boolean =>
  authorize(actor, action, resource) === "allowed";

/** Throws `ENVIRONMENT_NOT_FOUND` for what is hidden, `FORBIDDEN` for what is refused. */
export function assertAllowed(actor: Actor, action: Action, resource: Resource): void {
  switch (authorize(actor, action, resource)) {
    case "allowed":
      return;
    case "hidden":
      throw new PlatformError("ENVIRONMENT_NOT_FOUND", "there is no such environment");
    case "refused":
      throw new PlatformError("FORBIDDEN", refusalOf(actor, action));
  }
}

function refusalOf(actor: Actor, action: Action): string {
  const rule: Rule = RULES[action];
  if (RANK[actor.role] < RANK[rule.role])
    return `'${action}' needs the role ${rule.role}, and this account is a ${actor.role}`;
  return rule.scope === "none"
    ? `'${action}' is not done with a token: sign in`
    : `'${action}' needs a token with the scope ${rule.scope}`;
}

/** What a client of a terminal is: an `owner` types, an `editor` as well, by a share, and a `viewer` looks on. */
export type TerminalRole = "owner" | "editor" | "viewer";

/** A client may ask for less than the actor may do, never for more. Throws where it may not even look. */
export function terminalRoleOf(actor: Actor, resource: Resource, asked: "owner" | "viewer"): "owner" | "viewer" {
  assertAllowed(actor, "terminal.view", resource);
  return authorize(actor, "terminal.use", resource) === "allowed" ? asked : "viewer";
}
