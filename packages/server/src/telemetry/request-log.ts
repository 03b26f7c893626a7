import type { FastifyBaseLogger, FastifyRequest } from "fastify";
import type { App } from "../services.ts";
import { runInRequest } from "./request-context.ts";

/** One answered request. Addresses stand by their pattern alone: what is in one may be a name, a path or a ticket. */
export interface AnsweredRequest {
  readonly method: string;
  /** The pattern of the route; null where there is none. */
  readonly route: string | null;
  readonly status: number;
  readonly ms: number;
  /** Who asked; null when that was not found out. */
  readonly actor: string | null;
}

/**
 * A line for each request that was answered. Its id is added by the log itself, as to all lines of work that it caused. One without a
 * caller (the page's files, probes, refused credentials) is there at the level `debug` alone: anybody on this host may send as many as it likes.
 */
export function logRequest(log: Pick<FastifyBaseLogger, "info" | "debug">, { ms, ...rest }: AnsweredRequest): void {
  const line = { ...rest, ms: Math.round(ms * 10) / 10 };
  if (rest.actor === null) log.debug(line, "request");
  else log.info(line, "request");
}

/** Registered before all other hooks. */
export function observeRequests(app: App): void {
  app.addHook("onRequest", (request, _, done) => runInRequest(request.id, done));
  // A body that was read in between has left the context of its request.
  app.addHook("preValidation", (request, _, done) => runInRequest(request.id, done));
  app.addHook("onResponse", (request, reply, done) => {
    runInRequest(request.id, () =>
      logRequest(request.log, {
        method: request.method,
        route: routeOf(request),
        status: reply.statusCode,
        ms: reply.elapsedTime,
        actor: request.identity?.actor.id ?? null,
      }),
    );
    done();
  });
}

const routeOf = ({ is404, routeOptions }: FastifyRequest): string | null => (is404 ? null : (routeOptions.url ?? null));
