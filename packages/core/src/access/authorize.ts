import { type OwnerId, PlatformError } from "@microterm/protocol";
import type { Actor, ActorRole } from "./actor.ts";

/** What can be done. Each call of a service is one of these. */
export type Action =
  /** State, lists, waiting, terminals' names, the console, what a guest uses. */
  | "environment.read"
  | "environment.create"
  /** Start, stop, pause, resume, times. */
  | "environment.change"
  | "environment.destroy"
  /** Programs and files. */
  | "guest.use"
  /** Output, as it comes and as it was recorded. */
  | "terminal.view"
  /** Typing, opening, closing, recording. */
  | "terminal.use"
  /** Requests and connections to ports. */
  | "preview.open"
  /** Links by which others see what a port serves. */
  | "preview.share"
  /** Names and members of shared networks. */
  | "network.read"
  | "network.change"
  /** Sign-in links and tokens. */
  | "credential.create";

export interface Resource {
  readonly owner: OwnerId;
}

/** `hidden`: the actor must not learn that it exists. */
export type Decision = "allowed" | "refused" | "hidden";

const VIEWING: ReadonlySet<Action> = new Set(["environment.read", "terminal.view", "network.read"]);
const GRANTS: Readonly<Record<ActorRole, (action: Action) => boolean>> = {
  owner: () => true,
  viewer: (action) => VIEWING.has(action),
};

/** Decides what an actor may do. No other place does. */
export function authorize(actor: Actor, action: Action, resource: Resource): Decision {
  if (resource.owner !== actor.owner) return "hidden";
  return GRANTS[actor.role](action) ? "allowed" : "refused";
}

/** Throws `ENVIRONMENT_NOT_FOUND` for what is hidden, `FORBIDDEN` for what is refused. */
export function assertAllowed(actor: Actor, action: Action, resource: Resource): void {
  switch (authorize(actor, action, resource)) {
    case "allowed":
      return;
    case "hidden":
      throw new PlatformError("ENVIRONMENT_NOT_FOUND", "there is no such environment");
    case "refused":
      throw new PlatformError("FORBIDDEN", `this sign-in may look only: '${action}' is its owner's`);
  }
}

/** What a client of a terminal is: an `owner` types, a `viewer` looks on. */
export type TerminalRole = "owner" | "viewer";

/** A client may ask for less than the actor may do, never for more. Throws where it may not even look. */
export function terminalRoleOf(actor: Actor, resource: Resource, asked: TerminalRole): TerminalRole {
  assertAllowed(actor, "terminal.view", resource);
  return authorize(actor, "terminal.use", resource) === "allowed" ? asked : "viewer";
}
