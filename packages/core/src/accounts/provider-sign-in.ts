import { AccountId, PlatformError, type Role } from "@microterm/protocol";
import type { AccountRow } from "../ports/repositories/account-repository.ts";
import type { AccountContext } from "./account-context.ts";
import type { AccountService } from "./account-service.ts";
import { linked, newIdentity, providerOf, refused, roleAt } from "./identity.ts";
import { accountNames, mapsGroups, type ProvenIdentity, type ProviderRules } from "./provider-rules.ts";

/** Between the provider's answer and the page's taking of it. */
const ENTRY_LIFETIME_MS = 60_000;

/** Accounts by issuer and subject. What else a provider says of somebody finds no account: it may be another's tomorrow. */
export function createProviderSignIn(context: AccountContext): Pick<AccountService, "signInByProvider"> {
  const { storage, audit, credentials, random } = context;
  const rules = (): ProviderRules => providerOf(context);

  /** The account of a first sign-in; null: another sign-in of the same identity has made it meanwhile. */
  async function admit(proven: ProvenIdentity, role: Role): Promise<AccountRow | null> {
    for (const name of accountNames(proven.name, () => random.id(6))) {
      const account: AccountRow = {
        ...{ id: AccountId.parse(random.id(12)), name, role, passwordHash: null },
        ...{ disabledAt: null, stopsAt: null, lastSeenAt: context.now(), createdAt: context.now() },
      };
      const identity = { ...newIdentity(context, account.id, proven), lastUsedAt: context.now() };
      const created = { action: "account.created", target: account.id, detail: { name, role } } as const;
      try {
        return await audit.change("server", [created, linked(identity)], async ({ accounts, identities }) => {
          await accounts.insert(account);
          await identities.insert(identity);
          return account;
        });
      } catch (error) {
        const code = error instanceof PlatformError ? error.code : null;
        if (code === "IDENTITY_TAKEN") return null;
        if (code !== "NAME_TAKEN") throw error;
      }
    }
    throw refused(rules(), "all names for your account are taken here.");
  }

  /** What it may do from now on; what is open is looked at anew. */
  async function giveRole(account: AccountRow, role: Role): Promise<AccountRow> {
    if (account.role === role) return account;
    try {
      const act = { action: "account.changed", target: account.id, detail: { role } } as const;
      const changed = await audit.change("server", act, (to) => to.accounts.change(account.id, { role }));
      await credentials.closeAll(account.id);
      if (role === "visitor") await context.limited({ account: account.id, to: "visitor" });
      return changed ?? account;
    } catch (error) {
      // The data folder's account stays an admin, whatever the provider says.
      if (error instanceof PlatformError && error.code === "LAST_ADMIN") return account;
      throw error;
    }
  }

  return {
    async signInByProvider(proven) {
      const role = roleAt(rules(), proven);
      const use = () => storage.identities.use(proven, context.now());
      const known = await use();
      if (known === null && role === null)
        throw refused(rules(), "no account of this instance is linked to your identity there.");
      const found = known ?? (role === null ? null : ((await admit(proven, role)) ?? (await use())));
      if (found === null) throw refused(rules(), "your account was removed meanwhile.");
      if (found.disabledAt !== null) throw refused(rules(), "your account is disabled here.");
      const account = mapsGroups(rules()) && role !== null ? await giveRole(found, role) : found;
      return { ...(await credentials.issue("oidc", account.id, { lifetimeMs: ENTRY_LIFETIME_MS })), account };
    },
  };
}
