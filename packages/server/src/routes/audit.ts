import { Readable } from "node:stream";
import { AuditFilter, AuditId, AuditPage, MAX_AUDIT_PAGE, printableJsonLine } from "@microterm/protocol";
import type { App, Services } from "../services.ts";
import { count, GET_ONLY, problems, streamOf } from "./schemas.ts";

const PageQuery = AuditFilter.extend({
  /** Of the page before. */
  cursor: AuditId.optional(),
  limit: count(1, MAX_AUDIT_PAGE).default(50),
});

/** Who did what. */
export function auditRoutes(app: App, { audit }: Services): void {
  const tags = ["audit"];

  app.get(
    "/v1/audit",
    {
      schema: {
        tags,
        summary: "Entries of the audit log, the newest first (admins)",
        querystring: PageQuery,
        response: { 200: AuditPage, ...problems },
      },
    },
    (request) => {
      const { cursor = null, limit, ...filter } = request.query;
      return audit.page(request.identity.actor, filter, { cursor, limit });
    },
  );

  app.get(
    "/v1/audit/export",
    {
      ...GET_ONLY,
      schema: {
        tags,
        summary: "All entries of the audit log, the newest first, as a line of JSON each (admins)",
        querystring: AuditFilter,
        response: streamOf("application/x-ndjson", "An AuditEntry on each line"),
      },
    },
    async (request, reply) => {
      const pieces = await audit.export(request.identity.actor, request.query);
      reply.header("content-disposition", 'attachment; filename="audit.jsonl"').type("application/x-ndjson");
      return reply.send(Readable.from(lines(pieces), { objectMode: false }));
    },
  );
}

async function* lines(pieces: AsyncIterable<readonly object[]>): AsyncGenerator<string> {
  for await (const entries of pieces) yield entries.map((entry) => `${printableJsonLine(entry)}\n`).join("");
}
