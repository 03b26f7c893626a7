import type { Socket } from "node:net";
import { z } from "zod";
import { withDeadline } from "../deadline.ts";
import { createLineSplitter } from "../lines.ts";
import { connectUnix } from "../unix-socket.ts";

/** A 64 KiB ring buffer in base64, and room around it. The VMM is hostile: a longer line ends the connection. */
const MAX_LINE = 256 * 1024;
const MAX_CONSOLE = 65_536;
/** Lines that are read of one VMM in a second. A sound one says a few an hour; what a hostile one says beyond waits in its own socket. */
const MOST_LINES = 200;
const SECOND_MS = 1000;

const Greeting = z.object({ QMP: z.object({}) });
const Event = z.object({ event: z.string(), data: z.record(z.string(), z.unknown()).optional() });
const Result = z.object({ id: z.number().int(), return: z.unknown() });
const Failure = z.object({ id: z.number().int(), error: z.object({ desc: z.string() }) });
const Status = z.object({ status: z.string().max(64) });
const Base64 = z.base64();
const Message = z.union([Failure, Result, Event, Greeting]);

export interface QmpEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * QEMU's monitor protocol (docs/interop/qmp-spec of QEMU: JSON, one message a line), as much of it as is needed here.
 * Every byte comes from a process that a guest may have taken over.
 */
export interface QmpClient {
  /** Resolves when the connection has ended. Never rejects. */
  readonly closed: Promise<void>;
  /** QEMU's RunState: `running`, `shutdown` (powered off, kept), `io-error` (its disk could not be written) … */
  status(): Promise<string>;
  /** Continues a guest that QEMU has stopped; requests to its disk that failed are made again. */
  resume(): Promise<void>;
  /** Takes what is in the console's ring buffer, at most 64 KiB, raw. */
  takeConsole(chardev: string): Promise<Buffer>;
  close(): void;
}

export interface QmpOptions {
  readonly path: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent: (event: QmpEvent) => void;
}

/** Connects and negotiates. Rejects with a system error (ECONNREFUSED: the VMM is dead) or an Error at the deadline. */
export async function connectQmp(options: QmpOptions): Promise<QmpClient> {
  const socket = await connectUnix(options.path, options);
  const monitor = new QmpMonitor(socket, options.timeoutMs, options.onEvent);
  try {
    await withDeadline(monitor.greeted, options, () => new Error("QEMU's monitor did not greet in time"));
    await monitor.execute("qmp_capabilities", {});
    return monitor;
  } catch (error) {
    monitor.close();
    throw error;
  }
}

class QmpMonitor implements QmpClient {
  readonly closed: Promise<void>;
  readonly greeted: Promise<void>;
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #onEvent: (event: QmpEvent) => void;
  readonly #pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #greet: () => void = () => {};
  #lastId = 0;
  /** Of this second, which began at `since`. */
  #lines = 0;
  #since = performance.now();
  #resting: NodeJS.Timeout | undefined;

  constructor(socket: Socket, timeoutMs: number, onEvent: (event: QmpEvent) => void) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    this.#onEvent = onEvent;
    const split = createLineSplitter(MAX_LINE, (line) => this.#received(line));
    socket.on("data", (chunk: Buffer) => {
      try {
        split(chunk);
        this.#slowDown();
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        clearTimeout(this.#resting);
        for (const call of this.#pending.values()) call.reject(new Error("QEMU's monitor hung up"));
        this.#pending.clear();
        resolve();
      });
    });
    this.greeted = new Promise((resolve, reject) => {
      this.#greet = resolve;
      void this.closed.then(() => reject(new Error("QEMU's monitor hung up before its greeting")));
    });
  }

  async status(): Promise<string> {
    return Status.parse(await this.execute("query-status", {})).status;
  }

  async resume(): Promise<void> {
    await this.execute("cont", {});
  }

  async takeConsole(chardev: string): Promise<Buffer> {
    const taken = await this.execute("ringbuf-read", { device: chardev, size: MAX_CONSOLE, format: "base64" });
    return Buffer.from(Base64.parse(taken), "base64");
  }

  execute(command: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (this.#socket.destroyed) return Promise.reject(new Error("QEMU's monitor is closed"));
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise<unknown>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    return withDeadline(
      answer,
      { timeoutMs: this.#timeoutMs },
      (ms) => new Error(`QEMU's monitor did not answer ${command} within ${ms} ms`),
    ).finally(() => this.#pending.delete(id));
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Reads on in the next second when this one has had enough. */
  #slowDown(): void {
    if (this.#lines <= MOST_LINES || this.#resting !== undefined) return;
    this.#socket.pause();
    this.#resting = setTimeout(() => {
      this.#resting = undefined;
      this.#lines = 0;
      this.#since = performance.now();
      this.#socket.resume();
    }, SECOND_MS).unref();
  }

  #count(): void {
    const now = performance.now();
    if (now - this.#since > SECOND_MS) {
      this.#since = now;
      this.#lines = 0;
    }
    this.#lines += 1;
  }

  #received(line: string): void {
    this.#count();
    const message = Message.parse(JSON.parse(line));
    if ("QMP" in message) this.#greet();
    else if ("event" in message) this.#onEvent({ name: message.event, data: message.data ?? {} });
    else {
      const call = this.#pending.get(message.id);
      if ("error" in message) call?.reject(new Error(`QEMU refused: ${message.error.desc.slice(0, 200)}`));
      else call?.resolve(message.return);
    }
  }
}
