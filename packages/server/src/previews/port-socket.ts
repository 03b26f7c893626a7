import type { EnvironmentId, ListeningPorts, PreviewAddresses } from "@microterm/protocol";
import { CLOSE } from "../auth/live-connections.ts";
import { toPlatformError } from "../http/problem.ts";
import type { ClientSocket } from "../terminal/clients/client-socket.ts";
import type { PortWatches } from "./port-watches.ts";

/** A client that has heard nothing for three of these looks for another connection. */
const ALIVE_EVERY_MS = 3000;

/**
 * `GET /v1/environments/{env}/ports` as a WebSocket, `microterm.ports.v1`: the list at once and at each change. A client that is slow
 * skips lists, and gets the newest.
 */
export function servePorts(
  socket: ClientSocket,
  environment: EnvironmentId,
  { watches, previews }: { readonly watches: PortWatches; readonly previews: PreviewAddresses },
): void {
  let due: ListeningPorts | null = null;
  const send = (): void => {
    if (due === null || socket.isCongested) return;
    socket.sendText(JSON.stringify({ event: "ports", data: { ...due, previews } }));
    due = null;
  };
  const alive = setInterval(() => {
    if (!socket.isCongested) socket.sendText('{"event":"alive"}');
  }, ALIVE_EVERY_MS);
  let stop = (): void => undefined;
  socket.receive({
    message: () => {
      throw new Error("clients send nothing here");
    },
    drained: send,
    closed: () => {
      clearInterval(alive);
      stop();
    },
  });
  stop = watches.follow(environment, {
    ports(list) {
      due = list;
      send();
    },
    ended(thrown) {
      const error = toPlatformError(thrown);
      // It stays so until the environment is started again, which its own events tell.
      if (error.code === "UNSUPPORTED") socket.sendText('{"event":"unsupported"}');
      else socket.close(CLOSE.internalError, error.message);
    },
  });
}
