import { createAccountContext } from "./account-context.ts";
import type { AccountService, AccountServiceOptions } from "./account-service.ts";
import { createAdministration } from "./administration.ts";
import { createIdentities } from "./identities.ts";
import { createInvitations } from "./invitations.ts";
import { createSignIn } from "./sign-in.ts";

export function createAccountService(options: AccountServiceOptions): AccountService {
  const context = createAccountContext(options);
  return {
    ...createSignIn(context),
    ...createIdentities(context),
    ...createInvitations(context),
    ...createAdministration(context),
  };
}
