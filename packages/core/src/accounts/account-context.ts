import { PlatformError } from "@microterm/protocol";
import type { FailedSignIn, SignInWay } from "../audit/audit-log.ts";
import type { PreparedSession, SignedIn } from "../credentials/credential-service.ts";
import type { AccountRow } from "../ports/repositories/account-repository.ts";
import type { AccountLimited, AccountServiceOptions, Arrival } from "./account-service.ts";
import { createSignInLimits, type SignInLimits } from "./sign-in-limits.ts";

/** What the parts of the account service share. */
export interface AccountContext extends AccountServiceOptions {
  readonly limits: SignInLimits;
  now(): string;
  after(ms: number): string;
  /** Throws `LOCAL_ACCOUNTS_OFF`. */
  assertLocalAccounts(): void;
  /** Opens a session, and has the browser known where it is not. */
  enter(
    prepared: PreparedSession,
    account: AccountRow,
    how: { readonly way: SignInWay; readonly arrival: Arrival },
  ): Promise<SignedIn>;
  /** Counts a code that was wrong, and has the audit log tell of it. Resolves with what is to be answered. */
  wrongCode(way: FailedSignIn["way"], address: string | null, error: unknown): Promise<unknown>;
  readonly limitedListeners: Set<(limited: AccountLimited) => Promise<void>>;
  /** After a change that was made. */
  limited(limited: AccountLimited): Promise<void>;
  /** The hash by which this browser is known as one of the account's; null: it is not. */
  knownBrowserOf(account: AccountRow | null, arrival: Arrival): Promise<string | null>;
}

export function createAccountContext(options: AccountServiceOptions): AccountContext {
  const { storage, audit, credentials, clock, sha256 } = options;
  const limits = createSignInLimits(clock, options.attempts);
  const at = (ms: number) => new Date(ms).toISOString();
  const now = () => at(clock.now());
  const limitedListeners: AccountContext["limitedListeners"] = new Set();

  async function knownBrowserOf(account: AccountRow | null, { knownBrowser }: Arrival): Promise<string | null> {
    // Looked up also for an account that is not there, which must not show in the time that it takes.
    const found = knownBrowser === null ? null : await storage.credentials.find(sha256(knownBrowser), now());
    return found !== null && found.kind === "known-browser" && found.owner === account?.id ? found.hash : null;
  }

  return {
    ...options,
    limits,
    now,
    after: (ms) => at(clock.now() + ms),
    knownBrowserOf,
    limitedListeners,

    async limited(limited) {
      for (const listener of limitedListeners) await listener(limited);
    },

    assertLocalAccounts() {
      if (options.hasLocalAccounts) return;
      throw new PlatformError("LOCAL_ACCOUNTS_OFF", "this instance has no accounts with passwords");
    },

    async wrongCode(way, address, error) {
      await audit.signInFailed({ way, address, account: null });
      return limits.wrongCode(address, error);
    },

    async enter(prepared, account, { way, arrival }) {
      const remembersBrowser = (await knownBrowserOf(account, arrival)) === null;
      return credentials.openSession(prepared, account, { way, remembersBrowser });
    },
  };
}
