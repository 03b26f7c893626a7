import type { FastifyBaseLogger } from "fastify";
import type { Identity } from "../auth/authenticator.ts";
import { CLOSE } from "../auth/live-connections.ts";
import type { Services } from "../services.ts";
import type { ClientSocket } from "../terminal/clients/client-socket.ts";
import { EnvironmentEvents } from "./environment-events.ts";

/** A client that has heard nothing for three of these looks for another connection. */
const ALIVE_EVERY_MS = 3000;

/** `GET /v1/events` as a WebSocket (microterm.events.v1): a browser has six HTTP connections to a server, and as many of these as it likes. */
export function serveEvents(
  socket: ClientSocket,
  { actor }: Pick<Identity, "actor">,
  services: Services,
  log: FastifyBaseLogger,
): void {
  let resume = (): void => undefined;
  const events = new EnvironmentEvents(services, actor, {
    async send(event, data) {
      socket.sendText(JSON.stringify({ event, data }));
      if (!socket.isOpen || !socket.isCongested) return;
      await new Promise<void>((resolve) => {
        resume = resolve;
      });
    },
  });
  const alive = setInterval(() => {
    if (!socket.isCongested) socket.sendText('{"event":"alive"}');
  }, ALIVE_EVERY_MS);
  socket.receive({
    message: () => {
      throw new Error("clients send nothing here");
    },
    drained: () => resume(),
    closed: () => {
      clearInterval(alive);
      events.dispose();
      resume();
    },
  });
  events.run().catch((error: unknown) => {
    log.warn({ err: error }, "event socket ended");
    socket.close(CLOSE.internalError, "the events cannot be read");
  });
}
