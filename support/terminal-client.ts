import { FRAME, type Presence, TERMINAL_SUBPROTOCOL } from "@microterm/protocol";
import WebSocket from "ws";
import { poll, type TestServer } from "./server.ts";

export interface TerminalClientOptions {
  /** From the first byte when absent; null asks for the screen as it is. */
  readonly from?: bigint | number | string | null;
  readonly role?: "owner" | "viewer";
  /** Acknowledges all that arrives; otherwise nothing. True by default. */
  readonly acknowledge?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** Attaches by this grant instead of the environment's owner, as who the headers say. */
  readonly grant?: string;
  /** Is told who else is there. */
  readonly presence?: boolean;
  readonly protocols?: readonly string[];
  /** Keeps output bytes; a flood's need not be. True by default. */
  readonly keep?: boolean;
}

/** Close code, or the HTTP status with which the upgrade was refused. */
export interface Ended {
  readonly code: number;
  readonly reason: string;
}

/** A terminal WebSocket that remembers what came, for tests. */
export class TerminalClient {
  readonly socket: WebSocket;
  /** Each frame in order but output: `READY`, `GAP 0 5`, `RESIZE 0 80 24`, `EXIT 12 0 3`, `NOTICE code`, `PONG 7`. */
  readonly frames: string[] = [];
  ready: {
    terminal: string;
    start: string;
    end: string;
    from: string;
    role: string;
    grant: string | null;
    title: string;
    cwd: string | null;
  } | null = null;
  readonly keyframes: { offset: bigint; cols: number; rows: number; state: unknown; content: Buffer }[] = [];
  /** Each PRESENCE that came. */
  readonly presences: Presence[] = [];
  readonly events: { offset: bigint; kind: string; [key: string]: unknown }[] = [];
  /** The offset behind the last byte of output. */
  offset = -1n;
  /** Where output did not continue where it ended. */
  readonly jumps: string[] = [];
  received = 0;
  readonly ended: Promise<Ended>;
  #chunks: Buffer[] = [];
  readonly #options: TerminalClientOptions;

  constructor(
    server: Pick<TestServer, "url" | "token">,
    environment: string,
    terminal: string,
    options: TerminalClientOptions = {},
  ) {
    this.#options = options;
    const parts = [
      ...(options.from === null ? [] : [`from=${options.from ?? 0}`]),
      ...(options.role === undefined ? [] : [`role=${options.role}`]),
      ...(options.presence === true ? ["presence=1"] : []),
    ];
    const query = parts.length === 0 ? "" : `?${parts.join("&")}`;
    const path =
      options.grant === undefined
        ? `/v1/environments/${environment}/terminals/${terminal}/attach`
        : `/v1/shared/${options.grant}/attach`;
    const url = `${server.url.replace("http", "ws")}${path}${query}`;
    const authorization = { authorization: `Bearer ${server.token}` };
    this.socket = new WebSocket(url, [...(options.protocols ?? [TERMINAL_SUBPROTOCOL])], {
      perMessageDeflate: false,
      headers: { ...(options.grant === undefined ? authorization : {}), ...options.headers },
    });
    this.ended = new Promise((resolve) => {
      this.socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
      this.socket.once("unexpected-response", (_request, response) => {
        resolve({ code: response.statusCode ?? 0, reason: "refused" });
        this.socket.terminate();
      });
    });
    this.socket.on("error", () => undefined);
    this.socket.on("message", (data) => this.#message(data as Buffer));
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString("latin1");
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  forget(): void {
    this.#chunks = [];
  }

  async opened(): Promise<this> {
    await poll("READY", () => this.ready !== null);
    return this;
  }

  async until(expected: string | RegExp): Promise<void> {
    const matches = () => (typeof expected === "string" ? this.text.includes(expected) : expected.test(this.text));
    await poll(`${expected} in ${JSON.stringify(this.text.slice(-300))}`, matches, 90_000);
  }

  type(text: string): void {
    this.socket.send(Buffer.concat([Buffer.of(FRAME.input), Buffer.from(text)]));
  }

  /** As an emulator that answers a query. */
  reply(text: string): void {
    this.socket.send(Buffer.concat([Buffer.of(FRAME.reply), Buffer.from(text)]));
  }

  resize(cols: number, rows: number): void {
    const frame = Buffer.alloc(5);
    frame[0] = FRAME.resize;
    frame.writeUInt16BE(cols, 1);
    frame.writeUInt16BE(rows, 3);
    this.socket.send(frame);
  }

  appearance(appearance: unknown): void {
    this.socket.send(Buffer.concat([Buffer.of(FRAME.appearance), Buffer.from(JSON.stringify(appearance))]));
  }

  acknowledge(offset: bigint): void {
    const frame = Buffer.alloc(9);
    frame[0] = FRAME.ack;
    frame.writeBigUInt64BE(offset, 1);
    this.socket.send(frame);
  }

  /** Asks to type, or not any more. */
  keyboard(isWanted: boolean): void {
    this.socket.send(Buffer.of(FRAME.keyboard, isWanted ? 1 : 0));
  }

  ping(nonce: number): void {
    const frame = Buffer.alloc(5);
    frame[0] = FRAME.ping;
    frame.writeUInt32BE(nonce, 1);
    this.socket.send(frame);
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.ended;
  }

  #message(message: Buffer): void {
    const at = () => message.readBigUInt64BE(1);
    switch (message[0]) {
      case FRAME.output: {
        if (this.offset >= 0n && at() !== this.offset) this.jumps.push(`${this.offset} -> ${at()}`);
        const bytes = message.subarray(9);
        if (this.#options.keep !== false) this.#chunks.push(bytes);
        this.received += bytes.length;
        this.offset = at() + BigInt(bytes.length);
        if (this.#options.acknowledge !== false && this.socket.readyState === WebSocket.OPEN)
          this.acknowledge(this.offset);
        return;
      }
      case FRAME.gap:
        this.frames.push(`GAP ${at()} ${message.readBigUInt64BE(9)}`);
        this.offset = message.readBigUInt64BE(9);
        return;
      case FRAME.keyframe: {
        const length = message.readUInt32BE(13);
        this.keyframes.push({
          offset: at(),
          cols: message.readUInt16BE(9),
          rows: message.readUInt16BE(11),
          state: JSON.parse(message.subarray(17, 17 + length).toString()),
          content: message.subarray(17 + length),
        });
        this.frames.push(`KEYFRAME ${at()}`);
        this.offset = at();
        if (this.#options.acknowledge !== false && this.socket.readyState === WebSocket.OPEN)
          this.acknowledge(this.offset);
        return;
      }
      case FRAME.event:
        this.events.push({ offset: at(), ...JSON.parse(message.subarray(9).toString()) });
        return;
      case FRAME.presence:
        this.presences.push(JSON.parse(message.subarray(1).toString()));
        return;
      case FRAME.resized:
        this.frames.push(`RESIZE ${at()} ${message.readUInt16BE(9)} ${message.readUInt16BE(11)}`);
        return;
      case FRAME.exit:
        this.frames.push(`EXIT ${at()} ${message[9]} ${message.readUInt32BE(10)}`);
        return;
      case FRAME.ready:
        this.ready = JSON.parse(message.subarray(1).toString());
        this.frames.push("READY");
        return;
      case FRAME.notice:
        this.frames.push(`NOTICE ${JSON.parse(message.subarray(1).toString()).code}`);
        return;
      case FRAME.pong:
        this.frames.push(`PONG ${message.readUInt32BE(1)}`);
        return;
      default:
        this.frames.push(`UNKNOWN ${message[0]}`);
    }
  }
}
