import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { type Actor, type Fleet, type PeerServer, RESTING, type Storage, SYSTEM } from "@microterm/core";
import { EnvironmentId, PlatformError } from "@microterm/protocol";
import type { FastifyBaseLogger, FastifyRequest } from "fastify";
import type { Identity } from "../auth/authenticator.ts";
import { CLOSE, type LiveConnections } from "../auth/live-connections.ts";
import type { Addresses } from "../http/addresses.ts";
import type { ClientAddresses } from "../listen/client-address.ts";
import type { PreviewHost } from "../previews/hosts.ts";
import { systemClock } from "../process/system-clock.ts";
import { createOnceAMinute } from "../terminal/clients/once-a-minute.ts";
import { type Attempt, forwardRequest, type ToPeer } from "./forward-request.ts";
import { forwardUpgrade, type Relay, type Upgrade } from "./forward-upgrade.ts";
import { type Forwarded, forwardedOf } from "./forwarded.ts";
import { hasBody } from "./forwarded-headers.ts";
import type { PeerConnections } from "./peer-connections.ts";

/**
 * Before each new look at who has an environment. Together as long as peers take to take over what a server had that was killed, and
 * often about then: who is not answered comes again, later and later.
 */
const LOOK_AGAIN_MS = [100, 400, 500, 500, 300, 300, 400, 500] as const;
/** The holder ends a connection and says why: it hears of what is revoked as this server does. */
const HOLDER_CLOSES_MS = 2_000;

/** `/v1/admin` has full ids. */
const ENVIRONMENT_PARAM = /\/environments\/:(env|id)(?:\/|$)/;
/** What `EnvironmentParams` accepts: all else is refused here. */
const REFERENCE = /^[a-z0-9-]{1,32}$/;

/** Hands what concerns an environment of a peer's to that peer, and answers with what it answers. One that was forwarded to here is not forwarded again. */
export interface Forwarding {
  /**
   * For the routes of one environment. False: it is carried out here. Rejects with `ENVIRONMENT_MOVED` where nothing of it was done, and with
   * `SERVER_LOST`.
   */
  route(request: FastifyRequest, response: ServerResponse): Promise<boolean>;
  /** Of a reference, as it is looked up among an actor's own; null: there is no such environment. */
  find(reference: string | undefined, actor: Actor): Promise<EnvironmentId | null>;
  /** As `route`, for a WebSocket. Resolves with the status of the answer, once there is one; null: it is carried out here. */
  webSocket(environment: EnvironmentId, asked: AskedWebSocket): Promise<number | null>;
  /** As `route`, to the end of what is answered. */
  preview(exchange: PreviewExchange): Promise<boolean>;
}

export interface AskedWebSocket extends Upgrade {
  readonly credential: Pick<Identity, "hash" | "expiresAt" | "since">;
  readonly isDataFolder: boolean;
}

export interface PreviewExchange {
  readonly request: IncomingMessage;
  readonly host: PreviewHost;
  readonly response: () => ServerResponse;
  /** Null: it is an ordinary request. */
  readonly upgrade: Upgrade | null;
}

export interface ForwardingOptions {
  readonly fleet: Fleet;
  readonly environments: Pick<Storage["environments"], "find" | "get">;
  readonly peers: PeerConnections;
  readonly connections: LiveConnections;
  readonly addresses: Pick<Addresses, "isPublic">;
  readonly clients: Pick<ClientAddresses, "clientAddressOf">;
  /** Of the loopback addresses. */
  readonly port: () => number;
  readonly log: FastifyBaseLogger;
}

export function createForwarding(options: ForwardingOptions): Forwarding {
  const { fleet, environments, peers, connections } = options;
  const isFirstOfMinute = createOnceAMinute(systemClock);

  /** Null: this server has it, or it is at rest. `unknown`: it is about to be claimed, or who has it is not known here yet. */
  async function holderOf(environment: EnvironmentId): Promise<PeerServer | "unknown" | null> {
    const row = await environments.get(environment, SYSTEM);
    if (row === null || row.server === fleet.number) return null;
    if (row.server === null) return RESTING.has(row.state) ? null : "unknown";
    return (await fleet.peer(row.server)) ?? "unknown";
  }

  /** Looks for the holder, a few times, until an attempt has been answered. False: it is this server. */
  async function forward(
    environment: EnvironmentId,
    request: IncomingMessage,
    attempt: (peer: PeerServer) => Promise<Attempt>,
  ): Promise<boolean> {
    for (let looks = 0; ; looks++) {
      const peer = await holderOf(environment);
      if (peer === null) return false;
      // Nobody waits for it any more.
      if (request.socket.destroyed) return true;
      const mayForward = forwardedOf(request) === null;
      if (mayForward && peer !== "unknown") {
        if ((await attempt(peer)) === "answered") return true;
        if (isFirstOfMinute(`${peer.number}`))
          options.log.warn({ peer: peer.address }, "a peer did not take a request");
      }
      const waitMs = LOOK_AGAIN_MS[looks];
      if (!mayForward || waitMs === undefined) {
        throw new PlatformError("ENVIRONMENT_MOVED", "The environment is going from one server to another.");
      }
      await delay(waitMs);
    }
  }

  const toPeer =
    (peer: PeerServer): ToPeer =>
    (given) =>
      peers.request(peer, given);

  const forwardedAs = (
    request: IncomingMessage,
    way: Pick<Forwarded, "isDataFolder"> & { readonly host?: PreviewHost },
  ): Forwarded => ({
    address: options.clients.clientAddressOf(request),
    port: options.port(),
    isPublic: options.addresses.isPublic(request),
    preview: way.host?.scheme ?? null,
    isDataFolder: way.isDataFolder,
  });

  async function openWebSocket(
    environment: EnvironmentId,
    upgrade: Upgrade,
    forwarded: Forwarded,
  ): Promise<Relay | null | undefined> {
    let relay: Relay | null | undefined;
    await forward(environment, upgrade.request, async (peer) => {
      const became = await forwardUpgrade(upgrade, forwarded, toPeer(peer));
      if (became === "again") return became;
      relay = became;
      return "answered";
    });
    return relay;
  }

  async function find(reference: string | undefined, actor: Actor): Promise<EnvironmentId | null> {
    if (reference === undefined || !REFERENCE.test(reference)) return null;
    const own = await environments.find(reference, actor);
    if (own !== null) return own.id;
    const id = EnvironmentId.safeParse(reference);
    return id.success ? ((await environments.get(id.data, actor))?.id ?? null) : null;
  }

  return {
    find,

    async route(request, response) {
      const { raw, identity } = request;
      const name = ENVIRONMENT_PARAM.exec(request.routeOptions.url ?? "")?.[1];
      if (name === undefined) return false;
      const environment = await find((request.params as Record<string, string>)[name], identity.actor);
      const forwarded = forwardedAs(raw, { isDataFolder: identity.via === "data-folder" });
      const attempt = (peer: PeerServer) => forwardRequest(raw, response, forwarded, toPeer(peer));
      const isAnswered = environment !== null && (await forward(environment, raw, attempt));
      if (!isAnswered) carryOut(raw, response);
      return isAnswered;
    },

    async webSocket(environment, asked) {
      const { request, credential, isDataFolder } = asked;
      const relay = await openWebSocket(environment, asked, forwardedAs(request, { isDataFolder }));
      if (relay === undefined) return null;
      if (relay === null) return asked.response().statusCode;
      const forget = connections.add({
        identity: credential,
        environment,
        close(code, reason) {
          if (code === CLOSE.serverShutdown) relay.close(code, reason);
          else setTimeout(relay.destroy, HOLDER_CLOSES_MS).unref();
        },
        keepAlive: () => undefined,
      });
      void relay.over.then(forget);
      return 101;
    },

    async preview({ request, host, response, upgrade }) {
      const forwarded = forwardedAs(request, { isDataFolder: false, host });
      if (upgrade !== null) {
        const relay = await openWebSocket(host.environment, upgrade, forwarded);
        await relay?.over;
        return relay !== undefined;
      }
      const attempt = (peer: PeerServer) => forwardRequest(request, response(), forwarded, toPeer(peer));
      const isAnswered = await forward(host.environment, request, attempt);
      if (!isAnswered) carryOut(request, response());
      return isAnswered;
    },
  };
}

/** The peer waits with the body for this. */
function carryOut(request: IncomingMessage, response: ServerResponse): void {
  if (forwardedOf(request) !== null && hasBody(request)) response.writeContinue();
}
