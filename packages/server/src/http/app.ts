import cookie from "@fastify/cookie";
import { ERRORS, PlatformError } from "@microterm/protocol";
import Fastify, { type FastifyBaseLogger, type FastifyReply, type FastifyRequest, LogController } from "fastify";
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import type { Identity } from "../auth/authenticator.ts";
import { systemRandomness } from "../process/system-clock.ts";
import { registerRoutes } from "../routes/index.ts";
import type { App, Services } from "../services.ts";
import { PROBLEM_TYPE, problemOf, toPlatformError } from "./problem.ts";
import { SECURITY_HEADERS } from "./security-headers.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Set by the time a handler runs, unless the route is public. */
    identity: Identity;
  }
  interface FastifyContextConfig {
    /** Needs no credential, and answers before recovery has finished. */
    public?: boolean;
  }
}

/** JSON bodies are small; files have routes of their own that stream. */
const JSON_LIMIT_BYTES = 64 * 1024;

export interface AppOptions {
  readonly services: Services;
  readonly log: FastifyBaseLogger;
  /** Called before the routes are registered: how /openapi.json learns of them. */
  readonly beforeRoutes?: (app: App) => Promise<void>;
}

/** The HTTP side of the server, ready to listen. */
export async function createApp({ services, log, beforeRoutes }: AppOptions): Promise<App> {
  const app: App = Fastify({
    loggerInstance: log,
    // A line for each request would tell little; faults are logged where they are met.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => systemRandomness.id(12),
    bodyLimit: JSON_LIMIT_BYTES,
    forceCloseConnections: true,
    return503OnClosing: false,
    // An address may be as long as Node's header limit lets it: the schemas then say what is wrong with it.
    routerOptions: { maxParamLength: 16_384 },
    frameworkErrors: (error, request, reply) => {
      void reply.headers(SECURITY_HEADERS);
      sendProblem(error, request, reply);
    },
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(sendProblem);
  app.setNotFoundHandler((request) => {
    throw new PlatformError("NOT_FOUND", `There is nothing at ${request.method} ${request.url.slice(0, 200)}.`);
  });
  app.decorateRequest("identity", null as unknown as Identity);
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    services.addresses.checkHost(request.raw);
    if (request.routeOptions.config.public || request.is404) return;
    request.identity = await services.authenticator.authenticate(request.raw);
    services.readiness.assertRecovered();
  });
  await app.register(cookie);
  await beforeRoutes?.(app);
  await registerRoutes(app, services);
  return app;
}

function sendProblem(
  thrown: unknown,
  request: Pick<FastifyRequest, "id" | "log">,
  reply: Pick<FastifyReply, "code" | "header" | "send">,
): void {
  const error = toPlatformError(thrown);
  if (error.code === "INTERNAL") request.log.error({ err: error.cause ?? error }, "request failed");
  reply.code(ERRORS[error.code].status);
  reply.header("content-type", PROBLEM_TYPE);
  reply.header("cache-control", "no-store");
  if (error.code === "TOO_MANY") reply.header("retry-after", "10");
  reply.send(JSON.stringify(problemOf(error, request.id)));
}
