import {
  type AccountSession,
  AccountSessionList,
  type AccountToken,
  AccountTokenList,
  AdminAct,
  type ChangePassword,
  type CreateToken,
  IssuedToken,
} from "@microterm/protocol";
import { z } from "zod";
import type { Transport } from "../transport.ts";

const AdminActs = z.strictObject({ acts: z.array(AdminAct) });

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
  /** What admins did with its environments, the newest first. */
  adminActs(): Promise<AdminAct[]>;
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
    adminActs: async () => (await transport.json(AdminActs, `${path}/admin-acts`)).acts,
    removeToken: (id) => remove(`tokens/${encodeURIComponent(id)}`),
  };
}
