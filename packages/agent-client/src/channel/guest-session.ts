import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { Socket } from "node:net";
import { AnswerBudget } from "./bounded-body.ts";

/** Streams in one session, and each stream's window, of docs/reference/agent-protocol.md, HTTP/2. */
export const MAX_STREAMS = 128;
export const STREAM_WINDOW = 65_536;
/** A call that got no answer makes the session prove within this long that it still lives. */
const PROOF_MS = 5000;
/** Options of node:http2 that its type declarations lack for clients: frames that break rules end the session. */
const FLOOD_LIMITS = { maxSessionInvalidFrames: 64, maxSessionRejectedStreams: 16 };

/**
 * An HTTP/2 client session with a guest's agent over a connected socket. Nothing that the agent sends can throw outside of
 * a call: floods of frames, headers, settings, pings and resets end the session.
 */
export class GuestSession {
  /** Resolves when the session has ended, for whatever reason. */
  readonly closed: Promise<void>;
  readonly answers = new AnswerBudget();
  readonly #session: ClientHttp2Session;
  #open = 0;
  #isProving = false;
  #ping: Promise<void> | null = null;

  constructor(socket: Socket) {
    // The socket's own errors come through the session; an error after its end must still find a listener.
    socket.on("error", () => {});
    this.#session = connect("http://guest", {
      createConnection: () => socket,
      settings: {
        enablePush: false,
        initialWindowSize: STREAM_WINDOW,
        maxFrameSize: 16_384,
        maxHeaderListSize: 16_384,
      },
      maxSessionMemory: 32,
      maxHeaderListPairs: 64,
      maxOutstandingPings: 4,
      maxSettings: 16,
      maxReservedRemoteStreams: 0,
      peerMaxConcurrentStreams: MAX_STREAMS,
      ...FLOOD_LIMITS,
    });
    const session = this.#session;
    this.closed = new Promise((resolve) => session.once("close", () => resolve()));
    session.on("error", () => session.destroy());
    // An agent that says goodbye has nothing more to say; what is under way ends with an error.
    session.on("goaway", () => session.destroy());
    session.on("stream", (stream: ClientHttp2Stream) => stream.destroy());
    session.once("connect", () => {
      // Below streams × window, stalled streams would use up the connection's window and freeze the guest.
      if (!session.destroyed) session.setLocalWindowSize(MAX_STREAMS * STREAM_WINDOW);
    });
  }

  get isClosed(): boolean {
    return this.#session.closed || this.#session.destroyed;
  }

  /** Streams under way. */
  get openStreams(): number {
    return this.#open;
  }

  /** Throws when the session has ended. Errors of the stream reach it through its own `error` event only. */
  request(headers: OutgoingHttpHeaders, options: { readonly endStream: boolean }): ClientHttp2Stream {
    // Node gives a stream that is already dead instead of throwing.
    if (this.isClosed) throw new Error("the session has ended");
    const stream = this.#session.request(headers, options);
    this.#open += 1;
    stream.on("error", () => {});
    // An interim answer (1xx). Agents send none, node:http2 neither counts nor bounds them, and each costs several times its bytes.
    stream.on("headers", () => this.destroy());
    stream.once("close", () => {
      this.#open -= 1;
    });
    return stream;
  }

  /** Ends the session unless the agent answers a PING: a channel that lost bytes stays silent for ever. */
  prove(): void {
    if (this.#isProving || this.isClosed) return;
    this.#isProving = true;
    const timer = setTimeout(() => this.destroy(), PROOF_MS);
    const answered = (): void => {
      clearTimeout(timer);
      this.#isProving = false;
    };
    void this.closed.then(answered);
    try {
      // False: too many PINGs wait already, so the agent answers none.
      if (!this.#session.ping(answered)) this.destroy();
    } catch {
      this.destroy();
    }
  }

  /** Resolves when the agent has answered a PING; calls share the one under way. Rejects when the session has ended. */
  ping(): Promise<void> {
    this.#ping ??= new Promise<void>((resolve, reject) => {
      const end = (): void => reject(new Error("the session has ended"));
      if (this.isClosed) end();
      // False: too many wait already, and end with the session.
      else if (!this.#session.ping((error) => (error === null ? resolve() : end()))) end();
    }).finally(() => {
      this.#ping = null;
    });
    return this.#ping;
  }

  destroy(): void {
    this.#session.destroy();
  }
}

/**
 * Ends one stream and tells the agent so. `close()` alone would first end the request's body as if it were whole, and half an
 * upload would count as a file; destroying the stream sends RST_STREAM and nothing else.
 */
export function cancelStream(stream: ClientHttp2Stream): void {
  if (stream.destroyed) return;
  if (stream.writableEnded) stream.close(constants.NGHTTP2_CANCEL);
  else stream.destroy(new Error("the call was cancelled"));
}
