import type { IncomingMessage } from "node:http";
import cookie from "@fastify/cookie";
import { ERRORS } from "@microterm/protocol";
import Fastify, { type FastifyBaseLogger, type FastifyReply, type FastifyRequest, LogController } from "fastify";
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import type { Identity } from "../auth/authenticator.ts";
import { systemRandomness } from "../process/system-clock.ts";
import { registerRoutes } from "../routes/index.ts";
import type { App, Services } from "../services.ts";
import { observeRequests } from "../telemetry/request-log.ts";
import { createHttpServer } from "./http-server.ts";
import { PROBLEM_TYPE, problemOf, retryHeaders, toPlatformError } from "./problem.ts";
import { problemPage, wantsPage } from "./problem-page.ts";
import { HSTS_HEADERS, SECURITY_HEADERS } from "./security-headers.ts";

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

/** For a body of JSON; bodies that stream take their time. */
const JSON_BODY_MS = 20_000;

const REFUSED_BODY_MS = 5_000;

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
    // observeRequests has one line for each.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => systemRandomness.id(12),
    // The log adds the request's id to every line.
    childLoggerFactory: (logger) => logger,
    bodyLimit: JSON_LIMIT_BYTES,
    forceCloseConnections: true,
    serverFactory: (handler) =>
      createHttpServer((request, response) => {
        response.once("finish", () => endRefusedBody(request));
        if (services.previewServer.takes(request)) services.previewServer.serve(request, response);
        else handler(request, response);
      }),
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
  app.decorateRequest("identity", null as unknown as Identity);
  observeRequests(app);
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    services.addresses.checkHost(request.raw);
    const elsewhere = services.addresses.pageElsewhere(request.raw);
    if (elsewhere !== null) return reply.redirect(elsewhere, 307);
    if (services.addresses.isPublic(request.raw)) reply.headers(HSTS_HEADERS);
    limitJsonBody(request.raw);
    if (request.routeOptions.config.public || request.is404) return;
    request.identity = await services.authenticator.authenticate(request.raw);
    services.requests.add(request.identity, reply.raw);
    services.connectionLimit.trust(request.raw);
    services.readiness.assertRecovered();
    // Whatever its route is: with its body, which nobody has read yet.
    if (services.forwarding !== null && (await services.forwarding.route(request, reply.raw))) return reply.hijack();
  });
  await app.register(cookie);
  await beforeRoutes?.(app);
  await registerRoutes(app, services);
  return app;
}

/** A body that comes in drops would hold a connection for ever. */
function limitJsonBody(request: IncomingMessage): void {
  if (!/^application\/json\b/.test(request.headers["content-type"] ?? "")) return;
  const timer = setTimeout(() => request.destroy(), JSON_BODY_MS);
  const done = () => clearTimeout(timer);
  request.once("end", done).once("close", done);
}

/** What is still sent of a body that was not wanted is read for a while, so that the answer gets there, and no longer. */
function endRefusedBody(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  const timer = setTimeout(() => request.destroy(), REFUSED_BODY_MS).unref();
  request.once("end", () => clearTimeout(timer)).once("close", () => clearTimeout(timer));
}

function sendProblem(
  thrown: unknown,
  request: Pick<FastifyRequest, "id" | "log" | "raw">,
  reply: Pick<FastifyReply, "code" | "header" | "send">,
): void {
  const error = toPlatformError(thrown);
  // What was under way for a client that has gone was aborted, which is no fault.
  if (error.code === "INTERNAL" && !request.raw.socket.destroyed)
    request.log.error({ err: error.cause ?? error }, "request failed");
  reply.code(ERRORS[error.code].status);
  const problem = problemOf(error, request.id);
  const isPage = wantsPage(request.raw);
  reply.header("content-type", isPage ? "text/html; charset=utf-8" : PROBLEM_TYPE);
  reply.header("cache-control", "no-store");
  for (const [name, value] of Object.entries(retryHeaders(error))) reply.header(name, value);
  reply.send(isPage ? problemPage(problem) : JSON.stringify(problem));
}
