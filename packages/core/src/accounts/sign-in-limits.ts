import { PlatformError } from "@microterm/protocol";
import { clientNetworkOf } from "../access/client-network.ts";
import type { Clock } from "../ports/clock.ts";
import type { OpenAttempts } from "./attempts.ts";
import { type CodeLimit, createCodeLimit } from "./code-limit.ts";

const MINUTE_MS = 60_000;
/** Of one account from one address, and of one account in a browser that is known. */
const PAIR = { limit: 10, windowMs: 15 * MINUTE_MS };
/** Of all accounts from one address: passwords that are tried with many names. */
const ADDRESS = { limit: 60, windowMs: 15 * MINUTE_MS };
/** Of one account from all addresses together: then each attempt takes longer. */
const ACCOUNT = { limit: 100, windowMs: 60 * MINUTE_MS };
const SLOW_MS = 2000;

export interface Attempt {
  readonly name: string;
  readonly address: string | null;
  /** By what the browser is known in which this account has signed in before; null: it is not. */
  readonly knownBrowser: string | null;
}

/**
 * What keeps passwords from being guessed, and their owner from being locked out by who tries (docs/decisions/0037): nothing is counted
 * for an account as a whole that would refuse it, and a browser in which it has signed in before has a count of its own.
 */
export interface SignInLimits {
  /**
   * Resolves, maybe later, when the password may be looked at, with what an attempt that succeeds calls: it counts no more. Rejects with
   * `TOO_MANY`.
   */
  begin(attempt: Attempt): Promise<() => Promise<void>>;
  readonly wrongCode: CodeLimit;
}

const TOO_MANY = "too many attempts to sign in have failed: wait a quarter of an hour";

export function createSignInLimits(clock: Pick<Clock, "sleep">, openAttempts: OpenAttempts): SignInLimits {
  const [pairs, browsers, addresses] = [
    openAttempts("pair", PAIR),
    openAttempts("browser", PAIR),
    openAttempts("address", ADDRESS),
  ];
  const accounts = openAttempts("account", ACCOUNT);
  const pairOf = ({ name, address }: Attempt): string => `${clientNetworkOf(address)} ${name}`;

  return {
    async begin(attempt) {
      const { knownBrowser, name, address } = attempt;
      if (knownBrowser !== null && (await browsers.begin(knownBrowser))) return () => browsers.succeeded(knownBrowser);
      const [pair, network] = [pairOf(attempt), clientNetworkOf(address)];
      // The address first: names that it makes up once it is refused must not fill what counts are kept in.
      const isFree = (await addresses.begin(network)) && (await pairs.begin(pair));
      if (!isFree) throw new PlatformError("TOO_MANY", TOO_MANY);
      if (!(await accounts.begin(name))) await clock.sleep(SLOW_MS);
      return async () => {
        if (knownBrowser !== null) await browsers.succeeded(knownBrowser);
        await Promise.all([pairs.succeeded(pair), addresses.succeeded(network), accounts.succeeded(name)]);
      };
    },
    wrongCode: createCodeLimit(openAttempts, "code"),
  };
}
