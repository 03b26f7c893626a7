import type { GuestAgent, GuestConnection } from "@microterm/core";
import { type ErrorCode, PlatformError } from "@microterm/protocol";
import { CLOSE } from "../auth/live-connections.ts";
import type { ClientSocket } from "../terminal/clients/client-socket.ts";

/** Why there is no connection: docs/reference/http-api.md. Others are 1011. */
const REFUSALS: Partial<Record<ErrorCode, number>> = {
  ENVIRONMENT_STATE: CLOSE.environmentGone,
  ENVIRONMENT_NOT_FOUND: CLOSE.environmentGone,
  UNSUPPORTED: 4409,
  TOO_MANY: 4429,
  PORT_REFUSED: 4502,
};

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
    const refusal = error instanceof PlatformError ? REFUSALS[error.code] : undefined;
    client.close(refusal ?? CLOSE.internalError, error.message);
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
