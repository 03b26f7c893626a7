import type { AuditLog, AuditLogOptions } from "../../audit/audit-log.ts";
import { createAuditLog } from "../../audit/create-audit-log.ts";
import { silentLog, systemClock, systemRandom } from "../system.ts";

/** The audit log of a service over this storage: entries are kept for ever, without arguments. */
export const auditLogOf = (storage: AuditLogOptions["storage"], over: Partial<AuditLogOptions> = {}): AuditLog =>
  createAuditLog({
    ...{ storage, clock: systemClock, random: systemRandom, log: silentLog, days: 0, keepsArguments: false },
    ...over,
  });
