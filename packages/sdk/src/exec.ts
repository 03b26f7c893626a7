import {
  decodeExecServerFrame,
  type ErrorCode,
  EXEC_SUBPROTOCOL,
  ExecFailure,
  type ExecRequest,
  type ExecServerFrame,
  encodeInput,
  encodeResize,
  encodeSignal,
  encodeStart,
  encodeStdinEof,
  PlatformError,
  type TerminalExit,
  tooLongToRun,
} from "@microterm/protocol";
import { realTiming, type Timing } from "./backoff.ts";
import { ConnectionError } from "./errors.ts";
import { listen, type OpenSocket, SOCKET_OPEN } from "./socket.ts";

const CHUNK_BYTES = 32 * 1024;
/** A write waits while the socket holds more than this, so that a fast stdin does not pile up in memory. */
const SOCKET_BUFFER_BYTES = 256 * 1024;
const DRAIN_CHECK_MS = 5;
/** How long a connection may take; it is the server's machine that is slow, if anything. */
const CONNECT_MS = 15_000;

export type ExecResult =
  | { readonly kind: "exited"; readonly exit: TerminalExit }
  /** The command was not started. */
  | { readonly kind: "failed"; readonly failure: ExecFailure };

export interface ExecOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly openSocket: OpenSocket;
  readonly request: ExecRequest;
  /**
   * Output in order. Where one returns a promise, later output waits for it, and the network is not read
   * meanwhile where the WebSocket can do that (`ws`; a browser's own cannot and buffers).
   */
  readonly onStdout: (bytes: Uint8Array) => undefined | Promise<void>;
  readonly onStderr: (bytes: Uint8Array) => undefined | Promise<void>;
  readonly onStarted?: (pid: number) => void;
  /** Says why a WebSocket was not opened, as far as can be known. */
  readonly diagnose: () => Promise<Error | null>;
  readonly timing?: Timing;
}

export interface ExecSession {
  /** After all output has been handed over. Rejects with {@link ConnectionError}, a {@link PlatformError}, or the server's refusal. */
  readonly result: Promise<ExecResult>;
  /** Sends to the command's stdin; resolves when there is room for more. After the end it does nothing. */
  write(bytes: Uint8Array): Promise<void>;
  /** End of stdin. */
  end(): void;
  /** To the command's process group; a Linux signal number. */
  signal(signal: number): void;
  /** With a tty only. */
  resize(cols: number, rows: number): void;
  /** Breaks the connection: the command gets SIGHUP. */
  close(): void;
}

/** Close codes (RFC 6455, 7.4.1; docs/reference/terminal-protocol.md) whose reason is not about the connection. */
const REFUSED: ReadonlyMap<number, ErrorCode> = new Map([
  [1002, "BAD_REQUEST"],
  [1011, "GUEST_UNREACHABLE"],
]);

/** Runs a command over a WebSocket, with its streams apart. */
export function startExec(options: ExecOptions): ExecSession {
  const tooLong = tooLongToRun(options.request);
  return tooLong === null ? connectExec(options) : refusedExec(tooLong);
}

/** A command that the guest's kernel would refuse; nothing of it is sent. */
function refusedExec(failure: ExecFailure): ExecSession {
  const nothing = () => undefined;
  return {
    result: Promise.resolve({ kind: "failed", failure }),
    write: async () => undefined,
    end: nothing,
    signal: nothing,
    resize: nothing,
    close: nothing,
  };
}

function connectExec(options: ExecOptions): ExecSession {
  const timing = options.timing ?? realTiming;
  const socket = options.openSocket(options.url, { protocol: EXEC_SUBPROTOCOL, headers: options.headers });
  const { promise, resolve, reject } = Promise.withResolvers<ExecResult>();
  let isOpen = false;
  let isOver = false;
  let waiting: Promise<void> | null = null;
  const frames: ExecServerFrame[] = [];
  const opened = Promise.withResolvers<void>();

  const finish = (complete: () => void) => {
    if (isOver) return;
    isOver = true;
    cancelTimeout();
    unlisten();
    socket.close(1000, "");
    opened.resolve();
    complete();
  };
  const broke = (message: string, cause?: unknown) =>
    finish(() => reject(new ConnectionError(options.url, message, { cause })));
  const cancelTimeout = timing.after(CONNECT_MS, () => {
    if (!isOpen) broke("The server did not accept the connection in time.");
  });

  const handle = (frame: ExecServerFrame): undefined | Promise<void> => {
    switch (frame.type) {
      case "started":
        options.onStarted?.(frame.pid);
        return;
      case "stdout":
        return options.onStdout(frame.bytes);
      case "stderr":
        return options.onStderr(frame.bytes);
      case "exited":
        finish(() => resolve({ kind: "exited", exit: frame.exit }));
        return;
      case "failed": {
        const failure = ExecFailure.safeParse(frame.json);
        if (failure.success) finish(() => resolve({ kind: "failed", failure: failure.data }));
        else broke("The server sent a FAILED frame that cannot be read.", failure.error);
      }
    }
  };
  const pump = async () => {
    for (let frame = frames.shift(); frame !== undefined && !isOver; frame = frames.shift()) await handle(frame);
  };
  const receive = (frame: ExecServerFrame) => {
    if (waiting === null) {
      const wait = handle(frame);
      if (wait === undefined) return;
      socket.pause?.();
      waiting = wait
        .then(pump)
        .catch((error: unknown) => finish(() => reject(error)))
        .finally(() => {
          waiting = null;
          socket.resume?.();
          if (closing !== null) closed(closing);
        });
    } else {
      frames.push(frame);
    }
  };
  // A close that overtakes output still being handed over must not cut it off.
  let closing: { code: number; reason: string } | null = null;
  const closed = (event: { code: number; reason: string }) => {
    if (waiting !== null) {
      closing = event;
      return;
    }
    const { code, reason: said } = event;
    const refusal = REFUSED.get(code);
    if (refusal !== undefined && said !== "") {
      finish(() => reject(new PlatformError(refusal, said)));
      return;
    }
    const text = said || (isOpen ? "The connection to the command broke." : "The server refused the connection.");
    options.diagnose().then(
      (error) => (error === null ? broke(text) : finish(() => reject(error))),
      (cause: unknown) => broke(text, cause),
    );
  };

  const unlisten = listen(socket, {
    opened: () => {
      isOpen = true;
      for (const message of encodeStart(options.request)) socket.send(message);
      opened.resolve();
    },
    message: (data) => {
      try {
        receive(decodeExecServerFrame(data));
      } catch (error) {
        broke(`The server sent what the protocol does not have: ${String(error)}`, error);
      }
    },
    textMessage: () => broke("The server sent a text message."),
    closed: (code, reason) => closed({ code, reason }),
  });

  const send = (message: Uint8Array<ArrayBuffer>) => {
    void opened.promise.then(() => {
      if (!isOver && socket.readyState === SOCKET_OPEN) socket.send(message);
    });
  };
  const room = async () => {
    await opened.promise;
    while (!isOver && socket.readyState === SOCKET_OPEN && socket.bufferedAmount > SOCKET_BUFFER_BYTES) {
      await new Promise<void>((done) => timing.after(DRAIN_CHECK_MS, done));
    }
  };
  // Stdin and its end keep their order; signals and sizes overtake them.
  let stdin: Promise<void> = opened.promise;
  const write = async (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length && !isOver; at += CHUNK_BYTES) {
      await room();
      send(encodeInput(bytes.subarray(at, at + CHUNK_BYTES)));
    }
  };
  return {
    result: promise,
    write: (bytes) => {
      stdin = stdin.then(() => write(bytes));
      return stdin;
    },
    end: () => {
      stdin = stdin.then(() => send(encodeStdinEof()));
    },
    signal: (signal) => send(encodeSignal(signal)),
    resize: (cols, rows) => send(encodeResize(cols, rows)),
    close: () => broke("Closed."),
  };
}
