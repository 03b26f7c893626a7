import type { OwnerId, Role, Scope } from "@microterm/protocol";

/** Who calls a service, and by which sign-in. Made when a request is let in, by {@link actorOf} alone, and handed on with every call. */
export interface Actor {
  /** The account's id: names the actor in logs. */
  readonly id: string;
  /** The same account, as the owner of what it creates, and among whose environments a reference is looked up. */
  readonly owner: OwnerId;
  readonly role: Role;
  /** What a token was made for; null: all that its account may do. */
  readonly scopes: ReadonlySet<Scope> | null;
  readonly origin: Origin;
}

/** Where a call comes from, for the audit log. */
export interface Origin {
  /** `data-folder`: the token that a server leaves in its data folder. `server`: nobody asked; the server acts by itself. */
  readonly via: "session" | "token" | "data-folder" | "server";
  /** The public id of the session or token; null where there is none. */
  readonly credential: string | null;
  /** The client's IP address; null where there is none. */
  readonly address: string | null;
}

const SERVER: Origin = { via: "server", credential: null, address: null };

/**
 * The server itself, in place of an actor: recovery, sweeps, and what follows from a row that somebody was let at. No request is it: an
 * actor is what a sign-in becomes, and this is no actor.
 */
export const SYSTEM: unique symbol = Symbol("system");

/** By whom stored rows that belong to somebody are read. */
export type Reader = Actor | typeof SYSTEM;

export interface ActingAccount {
  readonly id: OwnerId;
  readonly role: Role;
}

export interface SignInFacts {
  readonly scopes?: readonly Scope[] | null;
  readonly origin?: Origin;
}

export function actorOf({ id, role }: ActingAccount, { scopes, origin }: SignInFacts = {}): Actor {
  return { id, owner: id, role, scopes: scopes == null ? null : new Set(scopes), origin: origin ?? SERVER };
}
