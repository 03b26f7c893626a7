import { CONNECT_SUBPROTOCOL, type ErrorCode, PlatformError } from "@microterm/protocol";
import { realTiming, type Timing } from "../backoff.ts";
import { ConnectionError } from "../errors.ts";
import { listen, type OpenSocket, SOCKET_OPEN } from "../socket.ts";

const CONNECT_MS = 30_000;
/** What may wait in the socket before `write` holds its caller back. */
const SOCKET_BUFFER_BYTES = 256 * 1024;
const DRAIN_CHECK_MS = 5;
/** The server takes no larger message. */
const CHUNK_BYTES = 60_000;
/** Close codes whose reason is not about the connection: docs/reference/http-api.md. */
const REFUSED: ReadonlyMap<number, ErrorCode> = new Map([
  [1011, "GUEST_UNREACHABLE"],
  [4404, "ENVIRONMENT_STATE"],
  [4409, "UNSUPPORTED"],
  [4429, "TOO_MANY"],
  [4502, "PORT_REFUSED"],
]);

export interface TunnelHandlers {
  /** The program has accepted the connection. */
  onOpen(): void;
  /** A promise holds the sender back until it has resolved. */
  onData(bytes: Uint8Array): undefined | Promise<void>;
  /** The program sends no more. */
  onEnd(): void;
}

/** One TCP connection to a port of an environment. */
export interface Tunnel {
  /** Resolves once both sides have ended. Rejects with a PlatformError that says why there is no connection, or with ConnectionError. */
  readonly closed: Promise<void>;
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  /** This side sends no more. */
  end(): void;
  close(): void;
}

/** Where a tunnel leads: `previews.target` makes it. */
export interface TunnelTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly openSocket: OpenSocket;
  readonly diagnose: () => Promise<Error | null>;
  readonly timing?: Timing;
}

/** A TCP connection to a port of an environment. Apart from the client, since pages have no use for one. */
export function openTunnel(options: TunnelTarget & TunnelHandlers): Tunnel {
  const timing = options.timing ?? realTiming;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = options.openSocket(options.url, { protocol: CONNECT_SUBPROTOCOL, headers: options.headers });
  const connected = Promise.withResolvers<void>();
  let isAccepted = false;
  let isOver = false;
  let delivering: Promise<void> = Promise.resolve();

  const finish = (complete: () => void): void => {
    if (isOver) return;
    isOver = true;
    cancelTimeout();
    unlisten();
    socket.close(1000, "");
    connected.resolve();
    complete();
  };
  const fail = (error: Error): void => finish(() => reject(error));
  const cancelTimeout = timing.after(CONNECT_MS, () => {
    if (!isAccepted) fail(new ConnectionError(options.url, "The server did not make the connection in time."));
  });
  const deliver = (bytes: Uint8Array): void => {
    socket.pause?.();
    delivering = delivering
      .then(async () => {
        if (bytes.length === 0) options.onEnd();
        else await options.onData(bytes);
        socket.resume?.();
      })
      .catch((error: unknown) => fail(error instanceof Error ? error : new Error(String(error))));
  };
  const unlisten = listen(socket, {
    opened: () => undefined,
    textMessage: () => {
      isAccepted = true;
      connected.resolve();
      options.onOpen();
    },
    message: (data) => deliver(new Uint8Array(data)),
    closed: (code, said) => {
      void delivering.then(() => {
        const refusal = REFUSED.get(code);
        if (code === 1000) finish(resolve);
        else if (refusal !== undefined && said !== "") fail(new PlatformError(refusal, said));
        else if (isAccepted) fail(new ConnectionError(options.url, "The connection to the server broke."));
        else void explain();
      });
    },
  });
  async function explain(): Promise<void> {
    const error = await options.diagnose().catch(() => null);
    fail(error ?? new ConnectionError(options.url, "The server refused the connection."));
  }
  const send = async (bytes: Uint8Array): Promise<void> => {
    await connected.promise;
    while (!isOver && socket.readyState === SOCKET_OPEN && socket.bufferedAmount > SOCKET_BUFFER_BYTES) {
      await new Promise<void>((done) => timing.after(DRAIN_CHECK_MS, done));
    }
    if (!isOver && socket.readyState === SOCKET_OPEN) socket.send(new Uint8Array(bytes));
  };
  let sending: Promise<void> = Promise.resolve();
  const inOrder = (bytes: Uint8Array): Promise<void> => {
    sending = sending.then(() => send(bytes));
    return sending;
  };
  return {
    closed: promise,
    async write(bytes) {
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) await inOrder(bytes.subarray(at, at + CHUNK_BYTES));
    },
    end: () => void inOrder(new Uint8Array(0)),
    close: () => fail(new ConnectionError(options.url, "Closed.")),
  };
}
