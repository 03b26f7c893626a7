import type { GuestAgent, GuestConnection } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import { CLOSE } from "../auth/live-connections.ts";
import type { ClientSocket } from "../terminal/clients/client-socket.ts";

/** RFC 6455, 7.4.1: the endpoint met a condition that prevents it from fulfilling the request. */
const CLOSE_BROKEN = 1011;

export interface TunnelOptions {
  readonly client: ClientSocket;
  readonly agent: () => Promise<GuestAgent>;
  readonly port: number;
}

/**
 * One TCP connection to a port of a guest over a WebSocket, `microterm.connect.v1`: binary messages are bytes, an empty one says
 * that this side sends no more. The first message to the client is an empty text: the connection is there.
 */
export function serveTunnel({ client, agent, port }: TunnelOptions): void {
  const abort = new AbortController();
  let connection: GuestConnection | null = null;
  let hasEnded = false;
  let hasClientEnded = false;
  const closeIfOver = (): void => {
    if (hasEnded && hasClientEnded) client.close(CLOSE.normal, "");
  };
  const broke = (error: Error): void => {
    const isGone =
      error instanceof PlatformError && ["ENVIRONMENT_STATE", "ENVIRONMENT_NOT_FOUND"].includes(error.code);
    client.close(isGone ? CLOSE.environmentGone : CLOSE_BROKEN, error.message);
  };
  client.receive({
    message(bytes) {
      if (connection === null || hasClientEnded)
        throw new Error("nothing may be sent before the connection or after its end");
      if (bytes.length === 0) {
        hasClientEnded = true;
        void connection.end().then(closeIfOver);
      } else if (!connection.write(bytes)) {
        client.pause();
        void connection.drained().then(() => client.resume());
      }
    },
    drained: () => connection?.resume(),
    closed() {
      abort.abort(new Error("the client went away"));
      connection?.close();
    },
  });
  const connect = async (): Promise<void> => {
    const events = {
      data(bytes: Uint8Array) {
        client.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
        if (client.isCongested) connection?.pause();
      },
      ended() {
        hasEnded = true;
        client.send(Buffer.alloc(0));
        closeIfOver();
      },
      closed(error?: Error) {
        if (error !== undefined) broke(error);
      },
    };
    connection = await (await agent()).connect(port, events, { signal: abort.signal });
    if (abort.signal.aborted) connection.close();
    else client.sendText("");
  };
  connect().catch((error: unknown) => broke(error instanceof Error ? error : new Error("the guest's stream ended")));
}
