import { PlatformError } from "@microterm/protocol";
import { clientNetworkOf } from "../access/client-network.ts";
import type { OpenAttempts } from "./attempts.ts";

/** Of codes of links, invitations, resets and shares, from one address. They have 248 bits: this is about noise, not guessing. */
const CODES = { limit: 20, windowMs: 60_000 };

/** Of a code that was wrong: what is to be answered, `error` or `TOO_MANY`. A right one is never refused. */
export type CodeLimit = (address: string | null, error: unknown) => Promise<unknown>;

/** `name`: of the codes that are counted together. */
export function createCodeLimit(openAttempts: OpenAttempts, name: string): CodeLimit {
  const codes = openAttempts(name, CODES);
  return async (address, error) =>
    (await codes.begin(clientNetworkOf(address)))
      ? error
      : new PlatformError("TOO_MANY", "too many codes were wrong: wait a minute");
}
