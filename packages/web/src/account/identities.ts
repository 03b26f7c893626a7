import type { AccountIdentity } from "@microterm/protocol";

export const IDENTITIES_KEY = ["account", "identities"] as const;

/** As the provider calls the person; some say nothing but an id. */
export const calledAt = ({ name, subject }: Pick<AccountIdentity, "name" | "subject">): string => name ?? subject;
