import {
  type AccountSession,
  AccountSessionList,
  type AccountToken,
  AccountTokenList,
  type ChangePassword,
  type CreateToken,
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
  };
}
