import { Quota, type QuotaLimits, Quotas, type Role } from "@microterm/protocol";
import type { Transport } from "../transport.ts";

/** What accounts may have of the host. */
export interface QuotaCalls {
  /** One's own: what one may have, has and has left. */
  own(): Promise<Quota>;
  /** For admins, as all that follow. */
  all(): Promise<Quotas>;
  setRole(role: Role, limits: QuotaLimits): Promise<void>;
  /** `account`: by name or id. Null: what its role has. */
  setAccount(account: string, limits: QuotaLimits | null): Promise<void>;
}

export function createQuotas(transport: Transport): QuotaCalls {
  const put = (path: string, json: unknown) => transport.done(path, { method: "PUT", json });
  return {
    own: () => transport.json(Quota, "/v1/quota"),
    all: () => transport.json(Quotas, "/v1/quotas"),
    setRole: (role, limits) => put(`/v1/quotas/${role}`, limits),
    setAccount: (account, limits) => put(`/v1/accounts/${encodeURIComponent(account)}/quota`, { limits }),
  };
}
