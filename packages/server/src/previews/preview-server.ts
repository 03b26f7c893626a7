import type { IncomingMessage, ServerResponse } from "node:http";
import type { Writable } from "node:stream";
import type { EnvironmentService, PreviewGrant, PreviewService } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import type { FastifyBaseLogger } from "fastify";
import type { Upgrade } from "../fleet/forward-upgrade.ts";
import type { Forwarding } from "../fleet/forwarding.ts";
import type { Addresses } from "../http/addresses.ts";
import type { ConnectionLimit } from "../http/connection-limit.ts";
import { retryHeaders, toPlatformError } from "../http/problem.ts";
import { responseOver } from "../http/response-over.ts";
import type { Readiness } from "../process/readiness.ts";
import { systemRandomness } from "../process/system-clock.ts";
import { runInRequest } from "../telemetry/request-context.ts";
import { logRequest } from "../telemetry/request-log.ts";
import { cookieName, secretsOf } from "./cookie.ts";
import { enter, isOwnPath } from "./entry.ts";
import { forwardRequest, forwardUpgrade } from "./forward.ts";
import { GuestSocket } from "./guest-socket.ts";
import type { PreviewHost, PreviewHosts } from "./hosts.ts";
import type { OpenPreviews } from "./open-previews.ts";
import { errorPage, sendPage } from "./pages.ts";
import type { PreviewServer } from "./takes-previews.ts";

export interface PreviewServerOptions {
  readonly hosts: PreviewHosts;
  readonly previews: PreviewService;
  readonly environments: Pick<EnvironmentService, "agentOf" | "noteActivity">;
  readonly open: OpenPreviews;
  readonly forwarding: Pick<Forwarding, "preview"> | null;
  readonly connectionLimit: ConnectionLimit;
  readonly readiness: Pick<Readiness, "assertRecovered">;
  /** Has the page's own address too, for a link back. */
  readonly addresses: Pick<Addresses, "pageOrigin" | "checkPreviewHost">;
  readonly log: FastifyBaseLogger;
}

/** How a request is answered: itself, or what became of a WebSocket that was refused. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly host: PreviewHost;
  readonly response: () => ServerResponse;
  /** Of the answer; 101 once it is a WebSocket. */
  readonly status: () => number;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
  /** Ends it, whatever it is. */
  readonly destroy: () => void;
  readonly forward: (guest: GuestSocket) => Promise<void>;
  /** Null: it is an ordinary request. */
  readonly upgrade: Upgrade | null;
}

export function createPreviewServer(options: PreviewServerOptions): PreviewServer {
  const { hosts, previews, environments, open, connectionLimit, readiness, log } = options;

  async function admit({ request, host }: Exchange): Promise<PreviewGrant | null> {
    const grant = await previews.admit(secretsOf(request, cookieName(host)), host);
    if (grant !== null) connectionLimit.trust(request);
    return grant;
  }

  /** False: its environment is this server's. */
  const isPassedOn = async (exchange: Exchange): Promise<boolean> =>
    options.forwarding !== null && (await options.forwarding.preview(exchange));

  async function answer(exchange: Exchange): Promise<void> {
    const { request, host } = exchange;
    options.addresses.checkPreviewHost(request, host);
    readiness.assertRecovered();
    if (!request.url?.startsWith("/")) throw new PlatformError("BAD_REQUEST", "the address is not a path");
    if (isOwnPath(request.url)) {
      // Tickets are in the memory of who has the environment.
      if (await isPassedOn(exchange)) return;
      return enter(request, exchange.response(), host, previews);
    }
    const grant = await admit(exchange);
    if (grant === null) return askToOpen(exchange);
    if (isFromElsewhere(request, host)) {
      throw new PlatformError("FORBIDDEN_ORIGIN", "another site's page may only link to a preview");
    }
    if (request.headers["service-worker"] === "script") return refuseWorker(exchange);
    const forget = open.add(grant, exchange.destroy);
    try {
      if (await isPassedOn(exchange)) return;
      environments.noteActivity(host.environment);
      const agent = await environments.agentOf(host.environment);
      const guest = await GuestSocket.connect(agent, host.port, { signal: exchange.signal });
      try {
        exchange.signal.throwIfAborted();
        await exchange.forward(guest);
      } finally {
        guest.destroy();
      }
    } finally {
      forget();
    }
  }

  function askToOpen({ request, host, response }: Exchange): void {
    const back = `${options.addresses.pageOrigin(host)}/e/${host.environment}`;
    sendPage(response(), {
      ...{ status: 401, isForPerson: wantsHtml(request), title: `Port ${host.port} is private` },
      paragraphs: ["Only who is signed in to microterm may look at it. Open it from the page of its environment."],
      link: { href: back, text: "Go to the environment" },
    });
  }

  /** It would answer in the place of `/.microterm/`, for good: no ticket and no message would get past it. */
  function refuseWorker({ response }: Exchange): void {
    const paragraphs = ["A preview has no service workers. In a program's own address, by port-forward, they work."];
    sendPage(response(), { status: 403, isForPerson: false, title: "No service worker", paragraphs });
  }

  async function run(exchange: Exchange): Promise<void> {
    const began = performance.now();
    try {
      await answer(exchange);
    } catch (thrown) {
      const error = toPlatformError(thrown);
      const page = errorPage(error, exchange.host);
      if (error.code === "INTERNAL" && !exchange.request.socket.destroyed)
        log.error({ err: error.cause ?? error }, "preview failed");
      try {
        const headers = retryHeaders(error);
        sendPage(exchange.response(), { ...page, headers, isForPerson: wantsHtml(exchange.request) });
      } catch {
        exchange.destroy();
      }
    }
    const { method = "" } = exchange.request;
    // Not at the level of the API's lines: a page of a guest's makes as many requests as it likes.
    const ms = performance.now() - began;
    logRequest(log, { method, route: "preview", status: exchange.status(), ms, actor: null });
  }

  const start = (exchange: Exchange): void => {
    void runInRequest(systemRandomness.id(12), () => run(exchange));
  };

  return {
    takes: (request) => hosts.of(request) !== null,

    serve(request, response) {
      const host = hosts.of(request);
      if (host === null) return void response.destroy();
      start({
        ...{ request, host, response: () => response, status: () => response.statusCode },
        ...{ signal: goneSignal(response), destroy: () => void response.destroy() },
        forward: (guest) => forwardRequest(request, response, guest, host),
        upgrade: null,
      });
    },

    upgrade(request, socket, head) {
      const host = hosts.of(request);
      socket.on("error", () => socket.destroy());
      if (host === null) return void socket.destroy();
      let made: ServerResponse | null = null;
      // An answer that is no upgrade is an ordinary one, after which the connection ends.
      const response = (): ServerResponse => {
        made ??= responseOver(request, socket);
        return made;
      };
      const isWebSocket = request.headers.upgrade?.toLowerCase() === "websocket" && request.method === "GET";
      start({
        ...{ request, host, response, status: () => made?.statusCode ?? 101 },
        ...{ signal: goneSignal(socket), destroy: () => void socket.destroy() },
        forward: (guest) =>
          isWebSocket
            ? forwardUpgrade(request, { client: socket, head, response }, guest, host)
            : forwardRequest(request, response(), guest, host),
        upgrade: isWebSocket ? { request, socket, head, response } : null,
      });
    },
  };
}

const wantsHtml = ({ headers }: IncomingMessage): boolean => /\btext\/html\b/.test(headers.accept ?? "");

/**
 * A page of another site, another preview among them: its forms, scripts, frames and WebSockets act for nobody here. It may only
 * link here. Browsers that say nothing of the site (Fetch Metadata) say the origin of whatever writes.
 */
function isFromElsewhere({ headers, method = "GET" }: IncomingMessage, { scheme, authority }: PreviewHost): boolean {
  const site = headers["sec-fetch-site"];
  const isReading = method === "GET" || method === "HEAD";
  const isOtherOrigin = headers.origin !== undefined && headers.origin !== `${scheme}://${authority}`;
  if (headers.upgrade !== undefined) return isOtherOrigin;
  if (site === undefined) return !isReading && isOtherOrigin;
  if (site === "same-origin" || site === "none") return false;
  const isLink = headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
  return !(isReading && isLink);
}

function goneSignal(client: Writable): AbortSignal {
  const controller = new AbortController();
  const gone = (): void => controller.abort(new Error("the client went away"));
  if (client.destroyed) gone();
  else client.once("close", gone);
  return controller.signal;
}
