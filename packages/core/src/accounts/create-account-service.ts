import { createAccountContext } from "./account-context.ts";
import type { AccountService, AccountServiceOptions } from "./account-service.ts";
import { createAdministration } from "./administration.ts";
import { createIdentityLinks } from "./identity-links.ts";
import { createInvitations } from "./invitations.ts";
import { createProviderSignIn } from "./provider-sign-in.ts";
import { createSignIn } from "./sign-in.ts";

export function createAccountService(options: AccountServiceOptions): AccountService {
  const context = createAccountContext(options);
  return {
    ...createSignIn(context),
    ...createProviderSignIn(context),
    ...createIdentityLinks(context),
    ...createInvitations(context),
    ...createAdministration(context),
  };
}
