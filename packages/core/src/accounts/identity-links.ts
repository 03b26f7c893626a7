import { type AccountId, PlatformError } from "@microterm/protocol";
import { type Actor, actorOf } from "../access/actor.ts";
import { assertAllowed } from "../access/authorize.ts";
import { nobodyAt } from "../audit/audit-log.ts";
import { assertSignedIn } from "../credentials/credential-rules.ts";
import type { AccountRow } from "../ports/repositories/account-repository.ts";
import type { IdentityRow } from "../ports/repositories/identity-repository.ts";
import type { AccountContext } from "./account-context.ts";
import type { AccountService, LinkingSession } from "./account-service.ts";
import { linked, newIdentity, providerOf, roleAt, unlinked } from "./identity.ts";
import { isIssuer, type ProvenIdentity } from "./provider-rules.ts";

/** Of one account: no list gets long. */
const MAX_IDENTITIES = 10;

/** What an account has of identities, in its own hands. */
export function createIdentityLinks(
  context: AccountContext,
): Pick<AccountService, "linkIdentity" | "identities" | "unlinkIdentity"> {
  const { storage, audit, provider } = context;

  /** Null: the session has ended. The provider leads a browser back without its cookie, so that the session is not asked for by a request. */
  async function askerOf({ account, session, address }: LinkingSession): Promise<Actor | null> {
    const found = await storage.credentials.findWithAccount(session, context.now());
    if (found?.credential.kind !== "session" || found.account.id !== account) return null;
    return actorOf(found.account, { origin: { via: "session", credential: found.credential.id, address } });
  }

  async function link(asker: Actor | null, account: AccountId, proven: ProvenIdentity): Promise<boolean> {
    if (asker === null) {
      throw new PlatformError("UNAUTHENTICATED", "the session that wanted to link an identity has ended");
    }
    // It would sign nobody in.
    roleAt(providerOf(context), proven);
    const identity = newIdentity(context, account, proven);
    return audit.change(asker, linked(identity), async (to) => {
      // Until this has ended no other one links or unlinks any of the account.
      await to.accounts.lock(account);
      await assertSignedIn(asker, to.credentials, context.now());
      const own = await to.identities.list(account);
      if (own.some(({ issuer, subject }) => issuer === proven.issuer && subject === proven.subject)) return false;
      if (own.length >= MAX_IDENTITIES) {
        throw new PlatformError("TOO_MANY", `an account has ${MAX_IDENTITIES} identities at most: unlink one first`);
      }
      await to.identities.insert(identity);
      return true;
    });
  }

  /** Whether somebody can sign in to the account with these identities, or without any. */
  const hasWayIn = ({ passwordHash }: AccountRow, identities: readonly IdentityRow[]): boolean =>
    (context.hasLocalAccounts && passwordHash !== null) ||
    (provider !== null && identities.some(({ issuer }) => isIssuer(provider, issuer)));

  async function unlink(actor: Actor, id: string): Promise<void> {
    assertAllowed(actor, "account.manage", actor);
    const none = () => new PlatformError("NOT_FOUND", `this account has no identity ${id}`);
    const found = (await storage.identities.list(actor.owner)).find((one) => one.id === id);
    if (found === undefined) throw none();
    await audit.change(actor, unlinked(found), async (to) => {
      // As above: of the last two, one is unlinked.
      const account = await to.accounts.lock(actor.owner);
      await assertSignedIn(actor, to.credentials, context.now());
      if (account === null || !(await to.identities.remove(actor.owner, id))) throw none();
      const isLast = !hasWayIn(account, await to.identities.list(actor.owner));
      // `./microterm open` lets the data folder's account in at any time.
      if (isLast && !(await to.accounts.isDataFolder(actor.owner))) {
        throw new PlatformError("LAST_WAY_IN", "without this identity nobody could sign in to your account");
      }
      // Somebody who has just been at the provider comes in by it no more.
      await to.credentials.removeAll(actor.owner, ["oidc"]);
    });
  }

  return {
    async linkIdentity(session, proven) {
      providerOf(context);
      const asker = await askerOf(session);
      const { account, address } = session;
      const { issuer, subject, name } = proven;
      const act = { action: "identity.linked", target: account, detail: { issuer, subject, name } } as const;
      return audit.attempt(asker ?? nobodyAt(address), act, () => link(asker, account, proven));
    },

    async identities(actor) {
      assertAllowed(actor, "account.manage", actor);
      return (await storage.identities.list(actor.owner)).map(({ account: _, ...identity }) => identity);
    },

    unlinkIdentity(actor, id) {
      const act = { action: "identity.unlinked", target: actor.owner, detail: { identity: id } } as const;
      return audit.attempt(actor, act, () => unlink(actor, id));
    },
  };
}
