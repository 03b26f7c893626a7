import { type AuditFilter, AuditPage } from "@microterm/protocol";
import type { Transport } from "../transport.ts";

/** The audit log, for admins. */
export interface Audit {
  /** The newest entries first; `cursor` is that of the page before. */
  page(filter: AuditFilter, paging?: { readonly cursor?: string; readonly limit?: number }): Promise<AuditPage>;
  /** All entries, as a line of JSON each. */
  export(filter: AuditFilter, options?: { readonly signal?: AbortSignal }): Promise<Response>;
}

export function createAudit(transport: Transport): Audit {
  return {
    page: (filter, paging = {}) => transport.json(AuditPage, "/v1/audit", { query: { ...filter, ...paging } }),
    export: (filter, { signal } = {}) => transport.send("/v1/audit/export", { query: filter, signal }),
  };
}
