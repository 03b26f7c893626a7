import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Actor, BegunGuestAct } from "@microterm/core";
import {
  CONNECT_SUBPROTOCOL,
  type EnvironmentId,
  ERRORS,
  EVENTS_SUBPROTOCOL,
  EXEC_SUBPROTOCOL,
  MAX_CLIENT_MESSAGE,
  PlatformError,
  PORTS_SUBPROTOCOL,
  TERMINAL_SUBPROTOCOL,
} from "@microterm/protocol";
import type { FastifyBaseLogger } from "fastify";
import { type WebSocket, WebSocketServer } from "ws";
import type { Identity } from "../../auth/authenticator.ts";
import type { PrincipalIdentity } from "../../auth/principals.ts";
import { serveEvents } from "../../events/event-socket.ts";
import type { Upgrade } from "../../fleet/forward-upgrade.ts";
import type { AskedWebSocket } from "../../fleet/forwarding.ts";
import { PROBLEM_TYPE, parseOrBadRequest, problemOf, retryHeaders, toPlatformError } from "../../http/problem.ts";
import { responseOver } from "../../http/response-over.ts";
import { servePorts } from "../../previews/port-socket.ts";
import { serveTunnel } from "../../previews/tunnel.ts";
import { systemClock, systemRandomness } from "../../process/system-clock.ts";
import { EnvironmentParams, GrantParams, PortParams } from "../../routes/schemas.ts";
import type { Services } from "../../services.ts";
import { type ExecOutcome, logExec } from "../../telemetry/exec-log.ts";
import { currentRequestId, runInRequest } from "../../telemetry/request-context.ts";
import { logRequest } from "../../telemetry/request-log.ts";
import { ExecSession } from "../guest/exec-session.ts";
import { VIEWERS_BUDGET_BYTES } from "../hub/flow-limits.ts";
import { createAttachments, type Session } from "./attachments.ts";
import { ClientSocket } from "./client-socket.ts";
import { createOnceAMinute } from "./once-a-minute.ts";
import { createSendBudget } from "./send-budget.ts";

/** Every WebSocket that there is, by its route and its subprotocol. */
export const WEB_SOCKETS = {
  attach: { route: "/v1/environments/:env/terminals/:terminal/attach", protocol: TERMINAL_SUBPROTOCOL },
  shared: { route: "/v1/shared/:grant/attach", protocol: TERMINAL_SUBPROTOCOL },
  exec: { route: "/v1/environments/:env/exec", protocol: EXEC_SUBPROTOCOL },
  ports: { route: "/v1/environments/:env/ports", protocol: PORTS_SUBPROTOCOL },
  connect: { route: "/v1/environments/:env/ports/:port/connect", protocol: CONNECT_SUBPROTOCOL },
  events: { route: "/v1/events", protocol: EVENTS_SUBPROTOCOL },
} as const;

interface Asked {
  readonly identity: Identity;
  readonly request: IncomingMessage;
  readonly url: URL;
  /** Of its route, as they stand in the address. */
  readonly params: Readonly<Record<string, string | undefined>>;
}

interface Found {
  readonly name: keyof typeof WEB_SOCKETS;
  readonly route: string;
  readonly protocol: string;
  readonly webSockets: WebSocketServer;
  readonly match: RegExpExecArray;
}

/** A peer has answered. */
interface PassedOn {
  readonly status: number;
  readonly actor: string | null;
  readonly route: string;
}

interface Opened {
  /** What the connection ends with. */
  readonly credential: Pick<Identity, "hash" | "expiresAt" | "since">;
  /** For the log. */
  readonly actor: string | null;
  /** It looks at what is shared, and is not waited for. */
  readonly isShared?: boolean;
  /** Its pattern, for the log. */
  readonly route: string;
  readonly webSockets: WebSocketServer;
  readonly session: Session;
}

/** Handles all WebSocket upgrades of an HTTP server: whatever is refused gets an ordinary HTTP answer. */
export function serveWebSockets(server: Server, services: Services, log: FastifyBaseLogger): void {
  const attachments = createAttachments(services);
  const isFirstOfMinute = createOnceAMinute(systemClock);
  const viewers = createSendBudget(VIEWERS_BUDGET_BYTES);
  const sessions: Readonly<Record<Exclude<keyof typeof WEB_SOCKETS, "shared">, (asked: Asked) => Promise<Session>>> = {
    attach: ({ identity, url, params }) => attachments.own(identity, url, params),
    exec: openExec,
    ports: openPorts,
    connect: openTunnel,
    events: openEvents,
  };
  const routes = Object.entries(WEB_SOCKETS).map(([name, { route, protocol }]) => ({
    ...{ name: name as keyof typeof WEB_SOCKETS, route, protocol, webSockets: webSocketsOf(protocol) },
    pattern: new RegExp(`^${route.replaceAll(/:(\w+)/g, "(?<$1>[^/]+)")}$`),
  }));

  function find(url: URL | null): Found | null {
    for (const { pattern, ...route } of routes) {
      const match = pattern.exec(url?.pathname ?? "");
      if (match !== null) return { ...route, match };
    }
    return null;
  }

  async function open(upgrade: Upgrade): Promise<Opened | PassedOn> {
    const { request } = upgrade;
    services.addresses.checkHost(request);
    const url = URL.parse(request.url ?? "/", "http://server");
    const found = find(url);
    if (url !== null && found?.name === "shared") return openShared(upgrade, url, found);
    const identity = await services.authenticator.authenticate(request);
    services.connectionLimit.trust(request);
    services.readiness.assertRecovered();
    if (url === null) throw new PlatformError("BAD_REQUEST", "The address is not well-formed.");
    if (found === null || found.name === "shared") {
      throw new PlatformError("NOT_FOUND", "There is no WebSocket at this address.");
    }
    requireProtocol(request, found.protocol);
    const { route, webSockets } = found;
    const { actor } = identity;
    const params = paramsOf(found);
    const environment = (await services.forwarding?.find(params.env, actor)) ?? null;
    const status = await passOn(upgrade, environment, identity, actor.origin);
    if (status !== null) return { status, actor: actor.id, route };
    const session = await sessions[found.name]({ identity, request, url, params });
    return { credential: identity, actor: actor.id, route, webSockets, session };
  }

  /** Of the principal that it was granted to: an account, or a browser without one. */
  async function openShared(upgrade: Upgrade, url: URL, found: Found): Promise<Opened | PassedOn> {
    const { request } = upgrade;
    const { route, webSockets } = found;
    const identity = await services.principals.identify(request);
    const { principal } = identity;
    services.readiness.assertRecovered();
    requireProtocol(request, found.protocol);
    const actor = principal.kind === "account" ? principal.actor.id : null;
    const status = await passOnShared(upgrade, identity, paramsOf(found));
    if (status !== null) return { status, actor, route };
    const session = await attachments.shared(identity, url, paramsOf(found));
    // A browser's secret alone says nothing: it is what was granted to it that makes it one to trust.
    services.connectionLimit.trust(request);
    return { credential: identity, actor, route, webSockets, session, isShared: true };
  }

  async function passOnShared(
    upgrade: Upgrade,
    identity: PrincipalIdentity,
    params: Readonly<Record<string, string>>,
  ): Promise<number | null> {
    if (services.forwarding === null) return null;
    const { principal } = identity;
    const { grant } = parseOrBadRequest(GrantParams, params);
    const { environment } = await services.sharing.admit(principal, grant);
    services.connectionLimit.trust(upgrade.request);
    return passOn(upgrade, environment, identity, principal.kind === "account" ? principal.actor.origin : null);
  }

  /** To the peer that has the environment. Null: it is served here. */
  async function passOn(
    upgrade: Upgrade,
    environment: EnvironmentId | null,
    credential: AskedWebSocket["credential"],
    origin: Actor["origin"] | null,
  ): Promise<number | null> {
    if (services.forwarding === null || environment === null) return null;
    const isDataFolder = origin?.via === "data-folder";
    return services.forwarding.webSocket(environment, { ...upgrade, credential, isDataFolder });
  }

  async function openExec({ identity: { actor }, params }: Asked): Promise<Session> {
    const { env } = parseOrBadRequest(EnvironmentParams, params);
    const id = await services.audit.attempt(actor, { action: "exec", target: env }, async () => {
      const located = await services.environments.locate(actor, env, "guest.exec");
      await services.environments.agent(actor, located);
      // It may have become another account's while the guest was asked.
      return services.environments.locate(actor, located, "guest.exec");
    });
    const agent = () => services.environments.agentOf(id);
    const began = performance.now();
    // Sockets' events come outside of any request.
    const requestId = currentRequestId() ?? "";
    const serve = (client: ClientSocket): void => {
      const endUse = services.environments.beginUse(id);
      let begun: Promise<BegunGuestAct> | null = null;
      const begin = (command: readonly string[]) => {
        const detail = services.audit.program(command);
        begun = services.environments.beginAct(actor, id, { action: "exec", detail });
        return begun;
      };
      const ended = (outcome: ExecOutcome): void => {
        endUse();
        const end = (act: BegunGuestAct) =>
          act.ended(outcome === "exited" ? "done" : "failed", { detail: { end: outcome } });
        // One that was refused has an entry that says so.
        void begun?.then(end, () => {});
        const ms = performance.now() - began;
        runInRequest(requestId, () => logExec(log, { environment: id, actor: actor.id, outcome, ms }));
      };
      new ExecSession({ client, agent, begin, ended });
    };
    return { environment: id, serve };
  }

  async function openPorts({ identity: { actor }, request, params }: Asked): Promise<Session> {
    const { env } = parseOrBadRequest(EnvironmentParams, params);
    const id = await services.environments.locate(actor, env, "environment.inspect");
    const previews = services.previewHosts.addressesFor(request.headers.host);
    return {
      environment: id,
      serve: (client) => servePorts(client, id, { watches: services.portWatches, previews }),
    };
  }

  async function openTunnel({ identity: { actor }, params }: Asked): Promise<Session> {
    const { env, port } = parseOrBadRequest(PortParams, params);
    const act = { action: "preview.opened", detail: { port } } as const;
    const id = await services.audit.attempt(actor, { ...act, target: env }, () =>
      services.environments.locate(actor, env, "preview.open"),
    );
    // A port that is forwarded has a tunnel for each connection.
    if (isFirstOfMinute(`${actor.owner} ${actor.origin.credential} ${id} ${port}`)) {
      void services.audit.note(actor, { ...act, environment: id });
    }
    services.environments.noteActivity(id);
    const agent = () => services.environments.agentOf(id);
    return { environment: id, serve: (client) => serveTunnel({ client, port, agent }) };
  }

  async function openEvents({ identity }: Asked): Promise<Session> {
    // Refused before it is a WebSocket.
    await services.environments.count(identity.actor);
    return { environment: null, serve: (client) => serveEvents(client, identity, services, log) };
  }

  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (services.previewServer.takes(request)) return services.previewServer.upgrade(request, socket, head);
    const onError = () => socket.destroy();
    socket.on("error", onError);
    const id = systemRandomness.id(12);
    const began = performance.now();
    const answered = (route: string | null, status: number, actor: string | null): void =>
      logRequest(log, { method: "GET", route, status, ms: performance.now() - began, actor });
    const upgrade = () =>
      open({ request, socket, head, response: () => responseOver(request, socket) }).then(
        (opened) => {
          if ("status" in opened) return answered(opened.route, opened.status, opened.actor);
          const { credential, actor, webSockets, route, session, isShared = false } = opened;
          if (socket.destroyed) return;
          socket.off("error", onError);
          answered(route, 101, actor);
          webSockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
            const transport = socket as Socket;
            const { connections } = services;
            const budget = isShared ? viewers : null;
            const { environment, serve } = session;
            const identity = credential;
            serve(new ClientSocket({ socket: webSocket, transport, identity, connections, environment, budget }));
          });
        },
        (thrown: unknown) => {
          const error = toPlatformError(thrown);
          if (error.code === "INTERNAL") log.error({ err: error.cause ?? error }, "upgrade failed");
          answered(null, ERRORS[error.code].status, null);
          refuse(socket, error, id);
        },
      );
    void runInRequest(id, upgrade);
  });
}

/** Compression would cost each connection a window's memory. */
function webSocketsOf(protocol: string): WebSocketServer {
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_CLIENT_MESSAGE,
    handleProtocols: () => protocol,
  });
}

function requireProtocol(request: IncomingMessage, protocol: string): void {
  const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  if (offered.includes(protocol)) return;
  throw new PlatformError("UPGRADE_REQUIRED", `This address speaks the WebSocket subprotocol ${protocol}.`);
}

const paramsOf = ({ match }: Found): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(match.groups ?? {}).map(([key, part]) => [key, decode(part)]));

function decode(part: string | undefined): string {
  try {
    return decodeURIComponent(part ?? "");
  } catch {
    throw new PlatformError("BAD_REQUEST", "The address is not well-formed.");
  }
}

function refuse(socket: Duplex, error: PlatformError, id: string): void {
  const body = JSON.stringify(problemOf(error, id));
  const { status } = ERRORS[error.code];
  const head = [
    `HTTP/1.1 ${status} ${error.code}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    ...Object.entries(retryHeaders(error)).map(([name, value]) => `${name}: ${value}`),
    ...(error.code === "UPGRADE_REQUIRED"
      ? ["Upgrade: websocket", "Connection: Upgrade, close"]
      : ["Connection: close"]),
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}
