import swagger from "@fastify/swagger";
import { VERSION } from "@microterm/host";
import {
  AuditEntry,
  CreateEnvironment,
  CreateTerminal,
  Environment,
  ExecFailure,
  FileEntry,
  HostStatus,
  NewSession,
  Problem,
  Receipt,
  SESSION_KEY_HEADER,
  Session,
  SignIn,
  Terminal,
  TerminalExit,
} from "@microterm/protocol";
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from "fastify-type-provider-zod";
import { pino } from "pino";
import { z } from "zod";
import { createApp } from "../http/app.ts";
import type { Services } from "../services.ts";

const TAGS = [
  { name: "session", description: "Signing in and out" },
  { name: "host", description: "The machine the environments run on" },
  { name: "audit", description: "Who did what" },
  { name: "environments", description: "Disposable workspaces, each in a machine of its own" },
  { name: "terminals", description: "PTY sessions; attach by WebSocket: docs/reference/terminal-protocol.md" },
  { name: "sharing", description: "Terminals that are shared, and who was let in" },
  { name: "exec", description: "Programs with separate streams" },
  { name: "files", description: "Files inside an environment, as the user dev" },
];

/** Described once, under `components`, and referred to by name. */
const NAMED = {
  AuditEntry,
  CreateEnvironment,
  CreateTerminal,
  Environment,
  ExecFailure,
  FileEntry,
  HostStatus,
  NewSession,
  Problem,
  Receipt,
  Session,
  SignIn,
  Terminal,
  TerminalExit,
};
const schemaRegistry = z.registry<{ id: string }>();
for (const [id, schema] of Object.entries(NAMED)) schemaRegistry.add(schema, { id });

/**
 * The OpenAPI 3.1 document of all routes, as text. The application it is made from serves nothing and is dropped. `publicUrl`: where the
 * server is; null: where the document was fetched.
 */
export async function renderOpenApi(publicUrl: string | null): Promise<string> {
  const app = await createApp({
    services: UNUSED_SERVICES,
    log: pino({ enabled: false }),
    beforeRoutes: async (app) => {
      await app.register(swagger, {
        openapi: {
          openapi: "3.1.0",
          info: {
            title: "microterm",
            version: VERSION,
            description: "Linux terminals in the browser, each in its own microVM.",
          },
          ...(publicUrl === null ? {} : { servers: [{ url: publicUrl }] }),
          tags: TAGS,
          components: {
            securitySchemes: {
              bearer: { type: "http", scheme: "bearer" },
              cookie: {
                type: "apiKey",
                in: "cookie",
                name: "microterm_session_PORT",
                description:
                  "PORT is the server's own: browsers send cookies to every port of a host. At a public URL: __Host-microterm_session.",
              },
              session: {
                type: "apiKey",
                in: "header",
                name: SESSION_KEY_HEADER,
                description:
                  "The key that signing in answered with. A WebSocket may offer it as the subprotocol microterm.session.KEY instead.",
              },
            },
          },
          security: [{ bearer: [] }, { cookie: [], session: [] }],
        },
        transform: createJsonSchemaTransform({ schemaRegistry }),
        transformObject: createJsonSchemaTransformObject({ schemaRegistry }),
      });
    },
  });
  await app.ready();
  const document = app.swagger() as OpenApiDocument;
  await app.close();
  dropUnused(document);
  return `${JSON.stringify(document, null, 2)}\n`;
}

interface OpenApiDocument {
  readonly paths: unknown;
  readonly components: { schemas: Record<string, unknown> };
}

/** Each named schema comes as a request's and as an answer's; most are only ever one of them. */
function dropUnused({ paths, components }: OpenApiDocument): void {
  const used = new Set<string>();
  const visit = (part: unknown) => {
    for (const [, name = ""] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (used.has(name)) continue;
      used.add(name);
      visit(components.schemas[name]);
    }
  };
  visit(paths);
  components.schemas = Object.fromEntries(Object.entries(components.schemas).filter(([name]) => used.has(name)));
}

/** Routes reach for services when they are called, and here none is. */
const UNUSED_SERVICES = { web: "/nonexistent", version: VERSION } as Services;
