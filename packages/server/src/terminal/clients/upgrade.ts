import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { GuestAgent, GuestTerminal } from "@microterm/core";
import {
  CONNECT_SUBPROTOCOL,
  type EnvironmentId,
  ERRORS,
  EVENTS_SUBPROTOCOL,
  EXEC_SUBPROTOCOL,
  MAX_CLIENT_MESSAGE,
  PlatformError,
  PORTS_SUBPROTOCOL,
  type PreviewAddresses,
  TERMINAL_SUBPROTOCOL,
  TerminalId,
} from "@microterm/protocol";
import type { FastifyBaseLogger } from "fastify";
import { type WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import type { Identity } from "../../auth/authenticator.ts";
import { CLOSE } from "../../auth/live-connections.ts";
import { serveEvents } from "../../events/event-socket.ts";
import { PROBLEM_TYPE, parseOrBadRequest, problemOf, toPlatformError } from "../../http/problem.ts";
import { servePorts } from "../../previews/port-socket.ts";
import { serveTunnel } from "../../previews/tunnel.ts";
import { systemRandomness } from "../../process/system-clock.ts";
import { EnvironmentParams, PortParams } from "../../routes/schemas.ts";
import type { Services } from "../../services.ts";
import { type ExecOutcome, logExec } from "../../telemetry/exec-log.ts";
import { currentRequestId, runInRequest } from "../../telemetry/request-context.ts";
import { logRequest } from "../../telemetry/request-log.ts";
import { ExecSession } from "../guest/exec-session.ts";
import { ClientSocket } from "./client-socket.ts";
import { HubClient } from "./hub-client.ts";
import { later } from "./output-window.ts";

const ATTACH = /^\/v1\/environments\/([^/]+)\/terminals\/([^/]+)\/attach$/;
const EVENTS = "/v1/events";
const EXEC = /^\/v1\/environments\/([^/]+)\/exec$/;
const PORTS = /^\/v1\/environments\/([^/]+)\/ports$/;
const CONNECT = /^\/v1\/environments\/([^/]+)\/ports\/([^/]+)\/connect$/;

const AttachQuery = z.strictObject({
  from: z
    .string()
    .regex(/^\d{1,20}$/, "must be an offset")
    .transform(BigInt)
    .refine((offset) => offset < 2n ** 64n, "must fit 64 bits")
    .optional(),
  role: z.enum(["owner", "viewer"]).default("owner"),
  input: z
    .string()
    .regex(/^[0-9a-z]{16,64}$/, "must be 16 to 64 of 0-9 and a-z")
    .optional(),
});

/** What to do with a WebSocket once every check has passed. */
type Session = (client: ClientSocket) => void;

interface Opened {
  readonly identity: Identity;
  /** Its pattern, for the log. */
  readonly route: string;
  readonly webSockets: WebSocketServer;
  readonly session: Session;
}

/** Handles all WebSocket upgrades of an HTTP server: whatever is refused gets an ordinary HTTP answer. */
export function serveWebSockets(server: Server, services: Services, log: FastifyBaseLogger): void {
  const asking = new Map<string, Promise<readonly GuestTerminal[]>>();
  const terminals = webSocketsOf(TERMINAL_SUBPROTOCOL);
  const execs = webSocketsOf(EXEC_SUBPROTOCOL);
  const events = webSocketsOf(EVENTS_SUBPROTOCOL);
  const ports = webSocketsOf(PORTS_SUBPROTOCOL);
  const tunnels = webSocketsOf(CONNECT_SUBPROTOCOL);

  async function open(request: IncomingMessage): Promise<Opened> {
    services.addresses.checkHost(request);
    const identity = await services.authenticator.authenticate(request);
    services.connectionLimit.trust(request.socket);
    services.readiness.assertRecovered();
    const url = URL.parse(request.url ?? "/", "http://server");
    if (url === null) throw new PlatformError("BAD_REQUEST", "The address is not well-formed.");
    const attach = ATTACH.exec(url.pathname);
    if (attach) {
      requireProtocol(request, TERMINAL_SUBPROTOCOL);
      return {
        identity,
        route: "/v1/environments/:env/terminals/:terminal/attach",
        webSockets: terminals,
        session: await openAttachment(identity, url, attach),
      };
    }
    const exec = EXEC.exec(url.pathname);
    if (exec) {
      requireProtocol(request, EXEC_SUBPROTOCOL);
      return {
        identity,
        route: "/v1/environments/:env/exec",
        webSockets: execs,
        session: await openExec(identity, exec),
      };
    }
    const listed = PORTS.exec(url.pathname);
    if (listed) {
      requireProtocol(request, PORTS_SUBPROTOCOL);
      return {
        identity,
        route: "/v1/environments/:env/ports",
        webSockets: ports,
        session: await openPorts(identity, listed, services.previewHosts.addressesFor(request.headers.host)),
      };
    }
    const connect = CONNECT.exec(url.pathname);
    if (connect) {
      requireProtocol(request, CONNECT_SUBPROTOCOL);
      return {
        identity,
        route: "/v1/environments/:env/ports/:port/connect",
        webSockets: tunnels,
        session: await openTunnel(identity, connect),
      };
    }
    if (url.pathname === EVENTS) {
      requireProtocol(request, EVENTS_SUBPROTOCOL);
      return {
        identity,
        route: EVENTS,
        webSockets: events,
        session: (client) => serveEvents(client, identity, services, log),
      };
    }
    throw new PlatformError("NOT_FOUND", "There is no WebSocket at this address.");
  }

  async function openAttachment({ actor }: Identity, url: URL, match: RegExpExecArray): Promise<Session> {
    const { env } = parseOrBadRequest(EnvironmentParams, { env: decode(match[1]) });
    const wanted = parseOrBadRequest(TerminalId, decode(match[2]));
    const { from, role: asked, input } = parseOrBadRequest(AttachQuery, Object.fromEntries(url.searchParams));
    const { id, role } = await services.environments.locateTerminal(actor, env, asked);
    const agent = () => services.environments.agentOf(id);
    const terminal = (await terminalsOf(id, agent)).find((candidate) => candidate.id === wanted);
    if (terminal === undefined) {
      throw new PlatformError("TERMINAL_NOT_FOUND", `The environment has no terminal '${wanted}'.`);
    }
    const hub = await services.terminals.of(id, terminal);
    const { startOffset: start, endOffset } = terminal;
    return (socket) => {
      if (hub.isOver) return socket.close(CLOSE.serverShutdown, "the terminal was closed just now");
      // The hub may have read on since the guest was asked.
      const end = later(hub.log.end, endOffset);
      const source = { log: hub.log, terminal: terminal.id, agent, broke: hub.broke };
      new HubClient({ socket, hub, source, terminal: terminal.id, start, end, from, role, input });
    };
  }

  /** Many who come at the same time ask the guest once. */
  function terminalsOf(id: EnvironmentId, agent: () => Promise<GuestAgent>): Promise<readonly GuestTerminal[]> {
    const known = asking.get(id);
    if (known !== undefined) return known;
    const answer = agent()
      .then((there) => there.terminals())
      .then((there) => {
        services.terminals.listed(id, there);
        return there;
      })
      .finally(() => asking.delete(id));
    asking.set(id, answer);
    return answer;
  }

  async function openExec({ actor }: Identity, match: RegExpExecArray): Promise<Session> {
    const { env } = parseOrBadRequest(EnvironmentParams, { env: decode(match[1]) });
    const id = await services.environments.locate(actor, env, "guest.use");
    await services.environments.agent(actor, id);
    const agent = () => services.environments.agentOf(id);
    const began = performance.now();
    // Sockets' events come outside of any request.
    const requestId = currentRequestId() ?? "";
    return (client) => {
      const endUse = services.environments.beginUse(id);
      const ended = (outcome: ExecOutcome): void => {
        endUse();
        const ms = performance.now() - began;
        runInRequest(requestId, () => logExec(log, { environment: id, actor: actor.id, outcome, ms }));
      };
      new ExecSession({ client, agent, ended });
    };
  }

  async function openPorts({ actor }: Identity, match: RegExpExecArray, previews: PreviewAddresses): Promise<Session> {
    const { env } = parseOrBadRequest(EnvironmentParams, { env: decode(match[1]) });
    const id = await services.environments.locate(actor, env, "environment.read");
    return (client) => servePorts(client, id, { watches: services.portWatches, previews });
  }

  async function openTunnel({ actor }: Identity, match: RegExpExecArray): Promise<Session> {
    const { env, port } = parseOrBadRequest(PortParams, { env: decode(match[1]), port: decode(match[2]) });
    const id = await services.environments.locate(actor, env, "preview.open");
    services.environments.noteActivity(id);
    return (client) => serveTunnel({ client, port, agent: () => services.environments.agentOf(id) });
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
      open(request).then(
        ({ identity, webSockets, route, session }) => {
          if (socket.destroyed) return;
          socket.off("error", onError);
          answered(route, 101, identity.actor.id);
          webSockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
            const transport = socket as Socket;
            session(new ClientSocket({ socket: webSocket, transport, identity, connections: services.connections }));
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

/** Compression would cost each connection a window's memory, for bytes that do not leave the host. */
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
    ...(error.code === "UPGRADE_REQUIRED"
      ? ["Upgrade: websocket", "Connection: Upgrade, close"]
      : ["Connection: close"]),
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}
