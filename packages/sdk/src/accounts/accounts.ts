import {
  Account,
  AccountList,
  type CreateAccount,
  type CreateInvitation,
  type Invitation,
  InvitationList,
  IssuedInvitation,
  ResetLink,
  type UpdateAccount,
} from "@microterm/protocol";
import type { Transport } from "../transport.ts";

/** One or the other. */
export interface RemoveAccount {
  readonly destroysEnvironments?: boolean | undefined;
  /** The account that gets its environments, by name or id: all of them, where its quota has room, or none. */
  readonly transferTo?: string | undefined;
}

/** Other people's accounts, by name or id: for admins. */
export interface Accounts {
  list(): Promise<Account[]>;
  /** Makes one without a password; its link sets one. */
  create(wish: Partial<CreateAccount> & Pick<CreateAccount, "name">): Promise<ResetLink>;
  update(account: string, change: UpdateAccount): Promise<Account>;
  /** One that has environments goes only where they may be destroyed with it, or go to another account. */
  remove(account: string, options?: RemoveAccount): Promise<void>;
  /** A code that sets a new password once; all sessions end then. */
  createReset(account: string): Promise<ResetLink>;
  invite(wish?: Partial<CreateInvitation>): Promise<IssuedInvitation>;
  invitations(): Promise<Invitation[]>;
  withdrawInvitation(id: string): Promise<void>;
}

export function createAccounts(transport: Transport): Accounts {
  const pathOf = (account: string) => `/v1/accounts/${encodeURIComponent(account)}`;
  return {
    list: async () => (await transport.json(AccountList, "/v1/accounts")).accounts,
    create: (wish) => transport.json(ResetLink, "/v1/accounts", { method: "POST", json: wish }),
    update: (account, change) => transport.json(Account, pathOf(account), { method: "PATCH", json: change }),
    remove: (account, { destroysEnvironments = false, transferTo } = {}) =>
      transport.done(pathOf(account), {
        method: "DELETE",
        query: { environments: destroysEnvironments ? "destroy" : undefined, transferTo },
      }),
    createReset: (account) => transport.json(ResetLink, `${pathOf(account)}/reset`, { method: "POST" }),
    invite: (wish = {}) => transport.json(IssuedInvitation, "/v1/invitations", { method: "POST", json: wish }),
    invitations: async () => (await transport.json(InvitationList, "/v1/invitations")).invitations,
    withdrawInvitation: (id) => transport.done(`/v1/invitations/${encodeURIComponent(id)}`, { method: "DELETE" }),
  };
}
