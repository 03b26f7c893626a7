import type { OwnerId } from "@microterm/protocol";
import type { Credential } from "../ports/repository.ts";

/** Who calls a service. Made of a sign-in, by {@link actorOf} alone, and handed on with every call. */
export interface Actor {
  /** Names the actor in logs. Until there are accounts it is the owner's id. */
  readonly id: string;
  /** Whose environments a reference is looked up among, and whose what it creates is. */
  readonly owner: OwnerId;
  readonly role: ActorRole;
}

/** `owner`: everything. `viewer`: looks at environments and terminals and changes nothing; no sign-in gives it yet. */
export type ActorRole = "owner" | "viewer";

/** Whom a credential stands for: until there are accounts, the owner. */
export function actorOf({ owner }: Pick<Credential, "owner">): Actor {
  return { id: owner, owner, role: "owner" };
}
