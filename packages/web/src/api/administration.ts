import { createAdministration } from "@microterm/sdk";
import { fetchWithKey } from "./session-key.ts";

/** Loaded with the pages of accounts and for admins alone. */
export const administration = createAdministration({ url: "", fetch: fetchWithKey });
