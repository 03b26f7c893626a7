import { createAuditIds } from "../../audit/audit-ids.ts";
import type { AuditRow } from "../../ports/repositories/audit-repository.ts";
import { systemClock, systemRandom } from "../system.ts";

/** An entry of that time, ms since the epoch, by nobody. */
export const auditRow = (at: number, over: Partial<AuditRow> = {}): AuditRow => ({
  ...createAuditIds({ ...systemClock, now: () => at }, systemRandom)(),
  ...{ action: "exec", outcome: "done", code: null, account: null, via: "server", credential: null, address: null },
  ...{ environment: null, target: null, beginning: null, count: 1, detail: {}, ...over },
});
