import type { Server } from "node:http";
import type { Socket } from "node:net";

/** More than a browser has without a credential, many times over. */
const MOST_STRANGERS = 128;

/**
 * Any local user may connect. So connections on which nobody has shown a credential are few: past the limit the one that has been there
 * longest goes, which costs nobody who signs in or asks at once, and leaves descriptors for guests.
 */
export interface ConnectionLimit {
  watch(server: Server): void;
  /** The connection is a person's who may ask; it is not counted any more. */
  trust(socket: Socket): void;
}

export function createConnectionLimit(most = MOST_STRANGERS): ConnectionLimit {
  // In the order in which they came.
  const strangers = new Set<Socket>();
  return {
    watch(server) {
      server.on("connection", (socket: Socket) => {
        strangers.add(socket);
        socket.once("close", () => strangers.delete(socket));
        if (strangers.size <= most) return;
        const [oldest] = strangers;
        if (oldest === undefined) return;
        strangers.delete(oldest);
        oldest.destroy();
      });
    },
    trust: (socket) => void strangers.delete(socket),
  };
}
