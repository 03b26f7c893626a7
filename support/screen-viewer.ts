import { followScreen, parseScreen, parseScreenState, type ScreenFollower, stringifyScreen } from "@microterm/screen";
import { describeScreen, type ScreenDescription } from "@microterm/screen/testing";
import { type ClientOptions, createClient } from "@microterm/sdk";
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import headless from "@xterm/headless";
import { WebSocket } from "ws";
import type { TestServer } from "./server.ts";

const SCROLLBACK = 1000;

type Client = ReturnType<typeof createClient>;

/** A screen of a person who looks at a terminal: what the page does, with an emulator that can be read. */
export class ScreenViewer {
  readonly #server: () => TestServer;
  readonly #environment: string;
  readonly #terminal: string;
  #emulator = emulatorOf(80, 24);
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
    const { follower, terminal } = this.#emulator;
    const attachment = createClient({
      url,
      token,
      openSocket: (...asked) => this.#openSocket(...asked),
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
        follower.write(bytes.slice(), () => attachment.acknowledge(end));
      },
      onKeyframe: ({ offset, cols, rows, modes, bytes }) => {
        const state = parseScreenState(modes);
        if (state === null) this.trouble.push("a keyframe of another shape");
        else void follower.restore({ cols, rows, content: bytes.slice(), state });
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

  readonly #openSocket: NonNullable<ClientOptions["openSocket"]> = (url, { protocol, headers }) => {
    const socket = new WebSocket(url, protocol, { headers, perMessageDeflate: false });
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    // biome-ignore lint/suspicious/noExplicitAny: ws has the members of the standard's WebSocket that the SDK uses.
    return socket as any;
  };

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
    const kept = parseScreen(stringifyScreen(this.#emulator.follower.capture({ scrollback: SCROLLBACK })));
    if (kept === null) throw new Error("the kept screen cannot be read");
    this.#emulator = emulatorOf(kept.cols, kept.rows);
    await this.#emulator.follower.restore(kept);
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

function emulatorOf(
  cols: number,
  rows: number,
): { readonly terminal: headless.Terminal; readonly follower: ScreenFollower } {
  const terminal = new headless.Terminal({ cols, rows, scrollback: SCROLLBACK, allowProposedApi: true });
  terminal.loadAddon(new UnicodeGraphemesAddon());
  return { terminal, follower: followScreen(terminal) };
}
