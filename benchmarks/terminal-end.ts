import { withDeadline } from "@microterm/host";
import { FRAME } from "@microterm/protocol";
import type { TestServer } from "../support/server.ts";
import { TerminalClient } from "../support/terminal-client.ts";

/** A terminal that runs one script, however it is reached. */
export interface TerminalEnd {
  type(text: string): void;
  /** Bytes of output so far. */
  received(): number;
  /** Resolves when the output since the last wait, or its last few bytes, hold `text`. Rejects after `withinMs`. */
  until(text: string, withinMs?: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens a terminal whose program is `sh -c SCRIPT`. */
export type OpenTerminal = (script: string) => Promise<TerminalEnd>;

/** Bytes that are kept while nobody waits: more than any text that is waited for. */
const KEPT = 64;
const PATIENCE_MS = 120_000;

/** Keeps the last bytes of an output, and tells who waits for a text at once. */
export class OutputTail {
  received = 0;
  /** The newest bytes that no wait has taken yet. */
  #newest = Buffer.alloc(0);
  #waiting: { readonly text: string; readonly done: () => void } | null = null;

  push(bytes: Uint8Array): void {
    this.received += bytes.length;
    this.#newest = Buffer.concat([this.#newest, bytes]);
    this.#look();
    if (this.#newest.length > KEPT) this.#newest = Buffer.from(this.#newest.subarray(-KEPT));
  }

  async until(text: string, withinMs = PATIENCE_MS): Promise<void> {
    const found = new Promise<void>((done) => {
      this.#waiting = { text, done };
      this.#look();
    });
    const late = () => new Error(`no ${JSON.stringify(text)} within ${withinMs} ms`);
    await withDeadline(found, { timeoutMs: withinMs }, late);
  }

  #look(): void {
    if (this.#waiting === null) return;
    const { text, done } = this.#waiting;
    const at = this.#newest.indexOf(text, 0, "latin1");
    if (at === -1) return;
    this.#newest = this.#newest.subarray(at + text.length);
    this.#waiting = null;
    done();
  }
}

/** A terminal through the whole product: WebSocket, server, channel, agent, PTY. */
export async function openServed(server: TestServer, environment: string, script: string): Promise<TerminalEnd> {
  const terminals = `/v1/environments/${environment}/terminals`;
  const { id } = await server.ok("POST", terminals, { command: ["sh", "-c", script] });
  const client = new TerminalClient(server, environment, id, { keep: false });
  const tail = new OutputTail();
  client.socket.on("message", (message: Buffer) => {
    // An OUTPUT frame: its type and its offset, then the bytes.
    if (message[0] === FRAME.output) tail.push(message.subarray(9));
  });
  await client.opened();
  return {
    type: (text) => client.type(text),
    received: () => tail.received,
    until: (text, withinMs) => tail.until(text, withinMs),
    close: async () => {
      await client.close();
      await server.call("DELETE", `${terminals}/${id}`);
    },
  };
}
