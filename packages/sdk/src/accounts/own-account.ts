import {
  type AccountIdentity,
  AccountIdentityList,
  type AccountSession,
  AccountSessionList,
  type AccountToken,
  AccountTokenList,
  type ChangePassword,
  type CreateToken,
  IdentityLink,
  IssuedToken,
} from "@microterm/protocol";
import type { Transport } from "../transport.ts";

/** Of the account that asks: with a session, or the data folder's token. */
export interface OwnAccount {
  changePassword(change: ChangePassword): Promise<void>;
  sessions(): Promise<AccountSession[]>;
  endSession(id: string): Promise<void>;
  /** All but the one that asks. */
  endOtherSessions(): Promise<void>;
  tokens(): Promise<AccountToken[]>;
  createToken(wish: Omit<CreateToken, "expiresInSeconds"> & Partial<CreateToken>): Promise<IssuedToken>;
  removeToken(id: string): Promise<void>;
  /** Who one is at the provider. */
  identities(): Promise<AccountIdentity[]>;
  /** With a session alone. Resolves with where its browser goes to link one, and comes back to the account's page. */
  linkIdentity(): Promise<string>;
  unlinkIdentity(id: string): Promise<void>;
}

export function createOwnAccount(transport: Transport): OwnAccount {
  const path = "/v1/account";
  const remove = (what: string) => transport.done(`${path}/${what}`, { method: "DELETE" });
  return {
    changePassword: (change) => transport.done(`${path}/password`, { method: "PUT", json: change }),
    sessions: async () => (await transport.json(AccountSessionList, `${path}/sessions`)).sessions,
    endSession: (id) => remove(`sessions/${encodeURIComponent(id)}`),
    endOtherSessions: () => remove("sessions"),
    tokens: async () => (await transport.json(AccountTokenList, `${path}/tokens`)).tokens,
    createToken: (wish) => transport.json(IssuedToken, `${path}/tokens`, { method: "POST", json: wish }),
    removeToken: (id) => remove(`tokens/${encodeURIComponent(id)}`),
    identities: async () => (await transport.json(AccountIdentityList, `${path}/identities`)).identities,
    linkIdentity: async () => (await transport.json(IdentityLink, `${path}/identities`, { method: "POST" })).url,
    unlinkIdentity: (id) => remove(`identities/${encodeURIComponent(id)}`),
  };
}
