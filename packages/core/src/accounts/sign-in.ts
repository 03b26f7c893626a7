import { type ChangePassword, PlatformError } from "@microterm/protocol";
import type { Actor } from "../access/actor.ts";
import { assertAllowed } from "../access/authorize.ts";
import { assertSignedIn } from "../credentials/credential-rules.ts";
import type { AccountRow } from "../ports/repositories/account-repository.ts";
import type { AccountContext } from "./account-context.ts";
import type { AccountService } from "./account-service.ts";
import { assertUncommon } from "./password-rules.ts";
import type { Attempt } from "./sign-in-limits.ts";

/** An answer is on its way after this. */
const ANSWERED_MS = 10;

export function createSignIn(
  context: AccountContext,
): Pick<AccountService, "waysIn" | "signIn" | "signInByLink" | "changePassword"> {
  const { storage, audit, credentials, passwords, limits, clock } = context;

  async function rehash(account: AccountRow, password: string): Promise<AccountRow> {
    // Where too many sign in just now, the next one does it.
    const passwordHash = await passwords.hash(password).catch(() => null);
    if (passwordHash === null) return account;
    if (await storage.accounts.setPassword(account.id, account.passwordHash, passwordHash)) {
      return { ...account, passwordHash };
    }
    // Another sign-in has done it, or the password is another one by now.
    return assertPassword(await storage.accounts.get(account.id), password, true);
  }

  /** Resolves with the account as its password was verified. Throws `SIGN_IN_FAILED`, after the same time whatever is wrong. */
  async function assertPassword(account: AccountRow | null, password: string, isKnown: boolean): Promise<AccountRow> {
    const mayPass = account !== null && account.disabledAt === null ? account.passwordHash : null;
    const outcome = await passwords.verify(mayPass, password, isKnown);
    if (account === null || mayPass === null || outcome === "wrong") {
      throw new PlatformError("SIGN_IN_FAILED", "the name or the password is wrong");
    }
    return outcome === "outdated" ? rehash(account, password) : account;
  }

  async function admit(account: AccountRow | null, attempt: Attempt, password: string) {
    const succeeded = await limits.begin(attempt);
    return { found: await assertPassword(account, password, attempt.knownBrowser !== null), succeeded };
  }

  /** After the answer: what is written differs with whether the account exists. */
  function noteFailure(account: AccountRow | null, address: string | null): void {
    void clock.sleep(ANSWERED_MS).then(() => audit.signInFailed({ way: "password", address, account }));
  }

  async function changePassword(actor: Actor, { current, password }: ChangePassword, session: string): Promise<void> {
    context.assertLocalAccounts();
    assertAllowed(actor, "account.manage", actor);
    let account = await storage.accounts.get(actor.owner);
    if (account === null) throw new PlatformError("ACCOUNT_NOT_FOUND", "the account is not there any more");
    if (account.passwordHash !== null || current !== undefined) {
      // As a sign-in: who has found an open page must not guess on.
      const attempt = { name: account.name, address: actor.origin.address, knownBrowser: null };
      const succeeded = await limits.begin(attempt);
      account = await assertPassword(account, current ?? "", true);
      await succeeded();
    }
    assertUncommon(password, account.name);
    const { id, passwordHash } = account;
    const hash = await passwords.hash(password);
    const removed = await audit.change(actor, { action: "password.changed", target: id }, async (to) => {
      const isChanged = await to.accounts.setPassword(id, passwordHash, hash);
      await assertSignedIn(actor, to.credentials, context.now());
      if (!isChanged) throw new PlatformError("SIGN_IN_FAILED", "the password was changed meanwhile");
      // A reset is an admin's, who may have made it because somebody else is in the account.
      return to.credentials.removeAll(id, ["session", "link", "oidc", "known-browser"], session);
    });
    credentials.close(removed);
  }

  return {
    waysIn: () => ({
      password: context.hasLocalAccounts,
      oidc: context.provider === null ? null : { name: context.provider.name },
    }),

    async signIn({ name, password }, arrival) {
      context.assertLocalAccounts();
      const account = await storage.accounts.find(name.trim().toLowerCase());
      const knownBrowser = await context.knownBrowserOf(account, arrival);
      const attempt = { name: account?.name ?? name.trim().toLowerCase(), address: arrival.address, knownBrowser };
      const { found, succeeded } = await admit(account, attempt, password).catch((error: unknown) => {
        noteFailure(account, arrival.address);
        throw error;
      });
      const prepared = credentials.prepareSession(found, arrival);
      const entered = await context.enter(prepared, found, { way: "password", arrival });
      await succeeded();
      return entered;
    },

    async signInByLink(code, arrival) {
      try {
        return await credentials.exchange(code, arrival);
      } catch (error) {
        if (!(error instanceof PlatformError && error.code === "SIGN_IN_LINK_INVALID")) throw error;
        throw await context.wrongCode("link", arrival.address, error);
      }
    },

    changePassword: (actor, change, session) =>
      audit.attempt(actor, { action: "password.changed", target: actor.owner }, () =>
        changePassword(actor, change, session),
      ),
  };
}
