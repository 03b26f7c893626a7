import swagger from "@fastify/swagger";
import { jsonSchemaTransform } from "fastify-type-provider-zod";
import { pino } from "pino";
import { createApp } from "../http/app.ts";
import type { Services } from "../services.ts";
import { VERSION } from "../version.ts";

const TAGS = [
  { name: "session", description: "Signing in and out" },
  { name: "host", description: "The machine the environments run on" },
  { name: "environments", description: "Disposable workspaces, each in a machine of its own" },
  { name: "terminals", description: "PTY sessions; attach by WebSocket: docs/reference/terminal-protocol.md" },
  { name: "exec", description: "Programs with separate streams" },
  { name: "files", description: "Files inside an environment, as the user dev" },
];

/** The OpenAPI 3.1 document of all routes, as text. The application it is made from serves nothing and is dropped. */
export async function renderOpenApi(): Promise<string> {
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
          tags: TAGS,
          components: {
            securitySchemes: {
              bearer: { type: "http", scheme: "bearer" },
              cookie: { type: "apiKey", in: "cookie", name: "microterm_session" },
            },
          },
          security: [{ bearer: [] }, { cookie: [] }],
        },
        transform: jsonSchemaTransform,
      });
    },
  });
  await app.ready();
  const document = JSON.stringify(app.swagger(), null, 2);
  await app.close();
  return `${document}\n`;
}

/** Routes reach for services when they are called, and here none is. */
const UNUSED_SERVICES = { web: "/nonexistent", version: VERSION } as Services;
