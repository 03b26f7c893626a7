import { AccountId, PlatformError, type Role } from "@microterm/protocol";
import { assertAllowed } from "../access/authorize.ts";
import type { AccountRow } from "../ports/account-repository.ts";
import type { IdentityRow } from "../ports/identity-repository.ts";
import type { AccountContext } from "./account-context.ts";
import type { AccountService } from "./account-service.ts";
import { accountNames, mapsGroups, type ProvenIdentity, type ProviderRules, roleOfGroups } from "./provider-rules.ts";

/** Between the provider's answer and the page's taking of it. */
const ENTRY_LIFETIME_MS = 60_000;
/** Of one account: no list gets long. */
const MAX_IDENTITIES = 10;

/** Accounts by issuer and subject. What else a provider says of somebody finds no account: it may be another's tomorrow. */
export function createIdentities(
  context: AccountContext,
): Pick<AccountService, "signInByProvider" | "linkIdentity" | "identities" | "unlinkIdentity"> {
  const { storage, audit, credentials, random, provider } = context;

  function rules(): ProviderRules {
    if (provider !== null) return provider;
    throw new PlatformError("NOT_FOUND", "this instance has no provider to sign in at");
  }

  const newIdentity = (account: AccountId, { issuer, subject, name }: ProvenIdentity): IdentityRow => ({
    ...{ id: random.id(12), issuer, subject, account, name },
    ...{ createdAt: context.now(), lastUsedAt: null },
  });

  function refused(why: string): PlatformError {
    return new PlatformError("PROVIDER_ACCOUNT_REFUSED", `${rules().name} knows you, but ${why}`);
  }

  /** The account of a first sign-in; null: another sign-in of the same identity has made it meanwhile. */
  async function admit(proven: ProvenIdentity, role: Role): Promise<AccountRow | null> {
    for (const name of accountNames(proven.name, () => random.id(6))) {
      const account: AccountRow = {
        ...{ id: AccountId.parse(random.id(12)), name, role, passwordHash: null },
        ...{ disabledAt: null, stopsAt: null, lastSeenAt: context.now(), createdAt: context.now() },
      };
      try {
        const act = { action: "account.created", target: account.id, detail: { name, role } } as const;
        return await audit.change("server", act, async ({ accounts, identities }) => {
          await accounts.insert(account);
          await identities.insert({ ...newIdentity(account.id, proven), lastUsedAt: context.now() });
          return account;
        });
      } catch (error) {
        const code = error instanceof PlatformError ? error.code : null;
        if (code === "IDENTITY_TAKEN") return null;
        if (code !== "NAME_TAKEN") throw error;
      }
    }
    throw refused("all names for your account are taken here.");
  }

  /** What it may do from now on; what is open is looked at anew. */
  async function giveRole(account: AccountRow, role: Role): Promise<AccountRow> {
    if (account.role === role) return account;
    try {
      const act = { action: "account.changed", target: account.id, detail: { role } } as const;
      const changed = await audit.change("server", act, (to) => to.accounts.change(account.id, { role }));
      await credentials.closeAll(account.id);
      return changed ?? account;
    } catch (error) {
      // The data folder's account stays an admin, whatever the provider says.
      if (error instanceof PlatformError && error.code === "LAST_ADMIN") return account;
      throw error;
    }
  }

  return {
    async signInByProvider(proven) {
      const role = roleOfGroups(rules(), proven.groups);
      const isMapped = mapsGroups(rules());
      if (role === null && isMapped) throw refused("you are in none of the groups that this instance lets in.");
      const use = () => storage.identities.use(proven, context.now());
      const known = await use();
      if (known === null && role === null)
        throw refused("no account of this instance is linked to your identity there.");
      const found = known ?? (role === null ? null : ((await admit(proven, role)) ?? (await use())));
      if (found === null) throw refused("your account was removed meanwhile.");
      if (found.disabledAt !== null) throw refused("your account is disabled here.");
      const account = isMapped && role !== null ? await giveRole(found, role) : found;
      return { ...(await credentials.issue("link", account.id, { lifetimeMs: ENTRY_LIFETIME_MS })), account };
    },

    async linkIdentity({ account, session }, proven) {
      rules();
      // The provider took its time: the asking person may be signed out by now.
      const asking = await storage.credentials.findWithAccount(session, context.now());
      if (
        asking?.credential.kind !== "session" ||
        asking.account.id !== account ||
        asking.account.disabledAt !== null
      ) {
        throw new PlatformError("UNAUTHENTICATED", "The session that wanted to link an identity has ended.");
      }
      if ((await storage.identities.list(account)).length >= MAX_IDENTITIES) {
        throw new PlatformError("TOO_MANY", `an account has ${MAX_IDENTITIES} identities at most: unlink one first`);
      }
      await storage.identities.insert(newIdentity(account, proven));
    },

    async identities(actor) {
      assertAllowed(actor, "account.manage", actor);
      return (await storage.identities.list(actor.owner)).map(({ account: _, ...identity }) => identity);
    },

    async unlinkIdentity(actor, id) {
      assertAllowed(actor, "account.manage", actor);
      if (await storage.identities.remove(actor.owner, id)) return;
      throw new PlatformError("NOT_FOUND", `this account has no identity ${id}`);
    },
  };
}
