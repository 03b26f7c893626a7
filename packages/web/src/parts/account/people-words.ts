/** What the pages of accounts call things. */
import { MIN_PASSWORD, type Role, type Scope } from "@microterm/protocol";

export const NEW_PASSWORD_HINT = `${MIN_PASSWORD} characters or more. Four words that do not belong together are easy to keep in mind.`;

/** `29 Nov 2026, 18:05`, in the reader's own time and language. */
export const momentWords = (at: string): string =>
  new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

export const ROLE_WORDS: Readonly<Record<Role, { readonly name: string; readonly does: string }>> = {
  admin: { name: "Admin", does: "has environments, and looks after the server and its people" },
  member: { name: "Member", does: "has environments" },
  visitor: { name: "Visitor", does: "sees what is shared, and creates nothing" },
};

export const SCOPE_WORDS: Readonly<Record<Scope, string>> = {
  "environments:read": "see environments and their state",
  "environments:write": "create, start, stop and remove environments",
  exec: "run programs, use terminals and reach ports",
  files: "read and write files",
  admin: "what an admin does for others",
};
