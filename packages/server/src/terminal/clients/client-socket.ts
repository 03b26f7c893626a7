import type { Socket } from "node:net";
import type { EnvironmentId } from "@microterm/protocol";
import type { WebSocket } from "ws";
import type { Identity } from "../../auth/authenticator.ts";
import { CLOSE, type LiveConnections } from "../../auth/live-connections.ts";
import { SOCKET_HIGH_WATER_BYTES, VIEWER_HIGH_WATER_BYTES } from "../hub/flow-limits.ts";
import type { SendBudget } from "./send-budget.ts";

/** A peer that does not answer a close frame by then is cut off. */
const CLOSE_DEADLINE_MS = 2000;
/**
 * A ping stands in line behind what is on its way, and 512 KiB take hours on the slowest lines: a peer may be silent for as long as a third
 * of 300 baud takes for what was sent since the last ping that it answered, up to this long. The kernel gives up one that is gone by
 * itself, after a quarter of an hour or so (tcp(7), tcp_retries2).
 */
const SLOWEST_BYTES_PER_SECOND = 10;
const MOST_SILENCE_MS = 3_600_000;

export interface ClientSocketOptions {
  readonly socket: WebSocket;
  /** The TCP connection below `socket`. */
  readonly transport: Socket;
  readonly identity: Pick<Identity, "hash" | "expiresAt" | "since">;
  readonly connections: LiveConnections;
  /** Of one among many that look at what is shared; null: one that is waited for. */
  readonly budget?: SendBudget | null;
  /** What it leads to; null: to none, or to all that its actor may see. */
  readonly environment: EnvironmentId | null;
}

/** One client's WebSocket: binary messages both ways with backpressure, found dead when it does not answer pings. */
export class ClientSocket {
  readonly #socket: WebSocket;
  readonly #transport: Socket;
  readonly #forget: () => void;
  readonly #budget: SendBudget | null;
  readonly #highWaterBytes: number;
  #waiting = 0;
  #isAnswering = true;
  #heardAt = performance.now();
  /** Bytes, and how many of them stood before a ping that was answered. */
  #sentBytes = 0;
  #arrivedBytes = 0;
  #awaitsDrain = false;
  #onDrain: () => void = () => undefined;

  constructor({ socket, transport, identity, connections, environment, budget = null }: ClientSocketOptions) {
    this.#socket = socket;
    this.#transport = transport;
    this.#budget = budget;
    this.#highWaterBytes = budget === null ? SOCKET_HIGH_WATER_BYTES : VIEWER_HIGH_WATER_BYTES;
    transport.setNoDelay(true);
    this.#forget = connections.add({
      identity,
      environment,
      close: (code, reason) => this.close(code, reason),
      keepAlive: () => this.#keepAlive(),
    });
    socket.on("pong", (payload) => this.#answered(payload));
    socket.on("error", () => socket.terminate());
    socket.once("close", () => {
      this.#forget();
      this.#count(0);
    });
  }

  /** `message` gets every binary message; a text message, or anything that it throws, closes with 1002. */
  receive(handlers: { message(message: Buffer): void; drained(): void; closed(): void }): void {
    this.#onDrain = handlers.drained;
    this.#socket.on("message", (data, isBinary) => {
      this.#heard();
      if (!this.isOpen) return;
      try {
        if (!isBinary) throw new Error("text messages are not part of this protocol");
        handlers.message(data as Buffer);
      } catch (error) {
        this.close(CLOSE.protocolError, error instanceof Error ? error.message : "protocol error");
      }
    });
    this.onClose(handlers.closed);
  }

  /** At once where it is closed already. */
  onClose(listener: () => void): void {
    if (this.#socket.readyState === this.#socket.CLOSED) listener();
    else this.#socket.once("close", listener);
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  /** So much waits in this process that nothing more should be sent until `drained`. */
  get isCongested(): boolean {
    const waiting = this.#transport.writableLength;
    this.#count(waiting);
    this.#awaitsDrain = waiting > this.#highWaterBytes || (waiting > 0 && this.#budget?.isSpent === true);
    return this.#awaitsDrain;
  }

  #count(waiting: number): void {
    this.#budget?.add(waiting - this.#waiting);
    this.#waiting = waiting;
  }

  /** Takes over `message`. */
  send(message: Buffer): void {
    if (!this.isOpen) return;
    this.#sentBytes += message.length;
    this.#socket.send(message, this.#sent);
  }

  /** For what is JSON and nothing else. */
  sendText(message: string): void {
    if (!this.isOpen) return;
    const bytes = Buffer.from(message);
    this.#sentBytes += bytes.length;
    this.#socket.send(bytes, { binary: false }, this.#sent);
  }

  readonly #sent = (): void => {
    const waiting = this.#transport.writableLength;
    if (this.#budget !== null && this.isOpen) this.#count(waiting);
    if (!this.#awaitsDrain || waiting > (this.#budget?.isSpent === true ? 0 : this.#highWaterBytes / 2)) return;
    this.#awaitsDrain = false;
    this.#onDrain();
  };

  /** Stops and resumes reading, pings' answers included. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(code: number, reason: string): void {
    if (this.#socket.readyState >= this.#socket.CLOSING) return;
    this.#socket.resume();
    // A close frame has 125 bytes at most, two of them the code (RFC 6455, 5.5).
    this.#socket.close(
      code,
      Buffer.from(reason)
        .subarray(0, 120)
        .toString("utf8")
        .replace(/\ufffd+$/u, ""),
    );
    setTimeout(() => this.#socket.terminate(), CLOSE_DEADLINE_MS).unref();
  }

  #heard(): void {
    this.#isAnswering = true;
    this.#heardAt = performance.now();
  }

  /** A pong has its ping's payload (RFC 6455, 5.5.3), and comes after all that was sent before that. */
  #answered(payload: Buffer): void {
    const arrived = Number(payload.toString("latin1"));
    if (arrived > this.#arrivedBytes && arrived <= this.#sentBytes) this.#arrivedBytes = arrived;
    this.#heard();
  }

  #keepAlive(): void {
    if (!this.#isAnswering && !this.#socket.isPaused) {
      const onItsWayMs = ((this.#sentBytes - this.#arrivedBytes) / SLOWEST_BYTES_PER_SECOND) * 1000;
      if (performance.now() - this.#heardAt > Math.min(onItsWayMs, MOST_SILENCE_MS)) this.#socket.terminate();
      return;
    }
    this.#isAnswering = false;
    if (this.isOpen) this.#socket.ping(`${this.#sentBytes}`);
  }
}
