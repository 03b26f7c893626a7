import { parseScreen, parseScreenState, stringifyScreen } from "@microterm/screen";
import { describeScreen, type ScreenDescription } from "@microterm/screen/testing";
import { createClient } from "@microterm/sdk";
import type { WebSocket } from "ws";
import { createEmulator, SCROLLBACK } from "./emulator.ts";
import { openVia } from "./sdk-socket.ts";
import type { TestServer } from "./server.ts";

type Client = ReturnType<typeof createClient>;

/** A screen of a person who looks at a terminal: what the page does, with an emulator that can be read. */
export class ScreenViewer {
  readonly #server: () => TestServer;
  readonly #environment: string;
  readonly #terminal: string;
  #emulator = createEmulator();
  #attachment: ReturnType<Client["attachTerminal"]> | null = null;
  #socket: WebSocket | null = null;
  #drawn: bigint | null = null;
  /** What a lossless connection never shows. */
  readonly trouble: string[] = [];
  keyframes = 0;

  constructor(server: () => TestServer, environment: string, terminal: string) {
    this.#server = server;
    this.#environment = environment;
    this.#terminal = terminal;
  }

  /** `size` is asked for as soon as the connection stands. */
  open(size: { readonly cols: number; readonly rows: number } | null = null): void {
    const { url, token } = this.#server();
    const { screen, terminal } = this.#emulator;
    const attachment = createClient({
      url,
      token,
      openSocket: openVia((socket) => {
        this.#socket = socket;
      }),
    }).attachTerminal({
      environment: this.#environment,
      terminal: this.#terminal,
      from: this.#drawn,
      size,
      onOutput: (bytes, offset) => {
        if (this.#drawn !== null && offset !== this.#drawn)
          this.trouble.push(`output at ${offset}, not ${this.#drawn}`);
        const end = offset + BigInt(bytes.length);
        this.#drawn = end;
        screen.write(bytes.slice(), () => attachment.acknowledge(end));
      },
      onKeyframe: ({ offset, cols, rows, modes, bytes }) => {
        const state = parseScreenState(modes);
        if (state === null) this.trouble.push("a keyframe of another shape");
        else void screen.restore({ cols, rows, content: bytes.slice(), state });
        this.keyframes += 1;
        this.#drawn = offset;
        attachment.acknowledge(offset);
      },
      // In line with the output around it.
      onResize: (cols, rows) => terminal.write("", () => terminal.resize(cols, rows)),
      onGap: (from, to) => this.trouble.push(`a gap from ${from} to ${to}`),
      onReset: () => this.trouble.push("a reset"),
    });
    this.#attachment = attachment;
  }

  type(text: string): void {
    this.#attachment?.write(Buffer.from(text));
  }

  get isConnected(): boolean {
    return this.#attachment?.state.kind === "connected";
  }

  get drawn(): bigint {
    return this.#drawn ?? -1n;
  }

  /** As a page that is loaded again: the screen goes through storage as text, and into a new emulator. */
  async refresh(): Promise<void> {
    this.close();
    await this.#settled();
    const kept = parseScreen(stringifyScreen(this.#emulator.screen.capture({ scrollback: SCROLLBACK })));
    if (kept === null) throw new Error("the kept screen cannot be read");
    this.#emulator = createEmulator(kept.cols, kept.rows);
    await this.#emulator.screen.restore(kept);
    this.open();
  }

  /** As a cable that is pulled; the client comes back by itself. */
  cut(): void {
    this.#socket?.terminate();
  }

  close(): void {
    this.#attachment?.close();
    this.#attachment = null;
  }

  /** All that has come is drawn. */
  #settled(): Promise<void> {
    return new Promise((resolve) => this.#emulator.terminal.write("", resolve));
  }

  async describe(): Promise<ScreenDescription> {
    await this.#settled();
    return describeScreen(this.#emulator.terminal, { scrollback: SCROLLBACK });
  }

  /** The visible rows as text. */
  async rows(): Promise<string[]> {
    await this.#settled();
    const { active } = this.#emulator.terminal.buffer;
    return Array.from(
      { length: this.#emulator.terminal.rows },
      (_, y) => active.getLine(active.baseY + y)?.translateToString(true) ?? "",
    );
  }
}
