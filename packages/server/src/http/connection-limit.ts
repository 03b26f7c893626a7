import type { Server } from "node:http";
import type { Socket } from "node:net";

/** More than a browser has without a credential, many times over. */
const MOST_UNAUTHENTICATED = 128;
/** In which a client that has a credential shows it, also when a thousand come back at once after the server's restart. */
const GRACE_MS = 5_000;
/** Whatever they may be about to show: what is left of a process's descriptors is for guests and people. */
const MOST_AT_ONCE = 4_096;

/**
 * Any local user may connect. So connections on which no credential has been shown for a while are few: past the limit the oldest one
 * is closed. A client that signs in, or sends its credential at once, is not affected.
 */
export interface ConnectionLimit {
  watch(server: Server): void;
  /** The connection is a person's who may ask; it is not counted any more. */
  trust(socket: Socket): void;
}

export function createConnectionLimit(most = MOST_UNAUTHENTICATED): ConnectionLimit {
  /** When each came, in that order. */
  const unauthenticated = new Map<Socket, number>();
  let timer: NodeJS.Timeout | null = null;

  function drop(): void {
    const now = performance.now();
    for (const [socket, since] of unauthenticated) {
      const isPatient = unauthenticated.size <= MOST_AT_ONCE && now - since < GRACE_MS;
      if (unauthenticated.size <= most || isPatient) break;
      unauthenticated.delete(socket);
      socket.destroy();
    }
    if (timer === null && unauthenticated.size > most) timer = setTimeout(look, GRACE_MS).unref();
  }
  const look = (): void => {
    timer = null;
    drop();
  };

  return {
    watch(server) {
      server.on("connection", (socket: Socket) => {
        unauthenticated.set(socket, performance.now());
        socket.once("close", () => unauthenticated.delete(socket));
        if (unauthenticated.size > most) drop();
      });
    },
    trust: (socket) => void unauthenticated.delete(socket),
  };
}
