import { createTransport, type TransportOptions } from "../transport.ts";
import { type Accounts, createAccounts } from "./accounts.ts";
import { type AdminCalls, createAdmin } from "./admin.ts";
import { type Audit, createAudit } from "./audit.ts";
import { createOwnAccount, type OwnAccount } from "./own-account.ts";
import { createQuotas, type QuotaCalls } from "./quotas.ts";

/** Accounts, one's own and others', and what admins do. Apart from the client, so that a page may load it when it is asked for. */
export interface Administration {
  readonly account: OwnAccount;
  readonly accounts: Accounts;
  readonly audit: Audit;
  readonly quotas: QuotaCalls;
  readonly admin: AdminCalls;
}

export function createAdministration(options: TransportOptions): Administration {
  const transport = createTransport(options);
  return {
    account: createOwnAccount(transport),
    accounts: createAccounts(transport),
    audit: createAudit(transport),
    quotas: createQuotas(transport),
    admin: createAdmin(transport),
  };
}
