import { type AttachmentState, createClient } from "@microterm/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebSocket } from "ws";
import { numberedLines } from "../../support/numbered-lines.ts";
import { type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { fetchWith, openVia } from "../../support/sdk-socket.ts";
import { poll } from "../../support/server.ts";

const isLong = process.env.MICROTERM_SOAK === "1";
const BYTES = isLong ? 1_000_000_000 : 40_000_000;
const FAULTS = isLong ? 200 : 12;
/** An emulated guest prints some 6 MB/s, on a loaded host less than one. */
const DEADLINE_MS = isLong ? 4 * 3_600_000 : 900_000;

let world: QemuServer;
beforeAll(async () => {
  world = await startQemuServer();
});
afterAll(() => world.close());

const FAULT_KINDS = ["refresh", "cut", "refresh", "cut", "server", "cut", "refresh", "pause"] as const;

/** What a page keeps over a refresh is the offset alone; everything else of it is new. */
class Reader {
  next = 0n;
  readonly trouble: string[] = [];
  #check: ((bytes: Uint8Array) => string | null) | null = null;
  #socket: WebSocket | null = null;
  #attachment: ReturnType<ReturnType<typeof createClient>["attachTerminal"]> | null = null;
  #state: AttachmentState | null = null;
  #head = "";
  readonly #id: string;
  readonly #terminal: string;

  constructor(id: string, terminal: string) {
    this.#id = id;
    this.#terminal = terminal;
  }

  open(): void {
    const { server } = world;
    const client = createClient({
      url: server.url,
      token: server.token,
      fetch: fetchWith(() => world.server.token),
      openSocket: openVia(
        (socket) => {
          this.#socket = socket;
        },
        () => world.server.token,
      ),
    });
    const attachment = client.attachTerminal({
      environment: this.#id,
      terminal: this.#terminal,
      from: this.next,
      onOutput: (bytes, offset) => {
        if (offset !== this.next) this.trouble.push(`output at ${offset} where ${this.next} was due`);
        this.next = offset + BigInt(bytes.length);
        this.#read(bytes);
        attachment.acknowledge(this.next);
      },
      onGap: (from, to) => this.trouble.push(`a gap from ${from} to ${to}`),
      onReset: () => this.trouble.push("a reset"),
      onKeyframe: () => this.trouble.push(`a keyframe where ${this.next} was due`),
      onState: (state) => {
        this.#state = state;
      },
    });
    this.#attachment = attachment;
  }

  get isConnected(): boolean {
    return this.#state?.kind === "connected";
  }

  get isOver(): boolean {
    return this.#state?.kind === "ended" || this.#state?.kind === "exited";
  }

  type(text: string): void {
    this.#attachment?.write(Buffer.from(text));
  }

  close(): void {
    this.#attachment?.close();
  }

  /** As a cable that is pulled: no goodbye in either direction. */
  cut(): void {
    this.#socket?.terminate();
  }

  /** Everything after the line `BEGIN` is checked byte by byte. */
  #read(bytes: Uint8Array): void {
    if (this.#check === null) {
      this.#head += Buffer.from(bytes).toString("latin1");
      const at = this.#head.indexOf("BEGIN\n");
      if (at === -1) return;
      this.#check = numberedLines(BYTES);
      this.#read(Buffer.from(this.#head.slice(at + 6), "latin1"));
      return;
    }
    const wrong = this.#check(bytes);
    if (wrong !== null && this.trouble.length < 20) this.trouble.push(wrong);
  }
}

describe(`${BYTES / 1e6} MB through ${FAULTS} faults`, () => {
  it(
    "arrive once and in order, without a gap",
    async () => {
      const id = await world.create({ memoryMib: 256 });
      // Nothing translates what is printed; the count begins once somebody reads.
      const script = `stty -onlcr -echo; printf ready; read go; printf 'BEGIN\\n'; seq 1 999999999 | head -c ${BYTES}; printf END; exec cat`;
      const { id: terminal } = await world.server.ok("POST", `/v1/environments/${id}/terminals`, {
        command: ["sh", "-c", script],
      });
      const reader = new Reader(id, terminal);
      reader.open();
      await poll("the program", () => reader.next >= 5n);
      reader.type("\n");
      const done: string[] = [];
      const goOn = async (what: string) => {
        const from = reader.next;
        await poll(
          `output after ${what} (${done.length} faults)`,
          () => reader.isConnected && (reader.next > from || reader.next >= BigInt(BYTES)),
          180_000,
        );
      };
      await goOn("the start");
      for (let fault = 1; fault <= FAULTS; fault++) {
        const due = BigInt(Math.floor((BYTES * fault) / (FAULTS + 1)));
        await poll(`byte ${due}`, () => reader.next >= due || reader.trouble.length > 0, DEADLINE_MS);
        if (reader.trouble.length > 0) break;
        const kind = FAULT_KINDS[(fault - 1) % FAULT_KINDS.length] ?? "cut";
        if (kind === "refresh") {
          reader.close();
          reader.open();
        } else if (kind === "cut") {
          reader.cut();
        } else if (kind === "server") {
          await world.restartServer();
        } else {
          await world.server.ok("POST", `/v1/environments/${id}/pause`);
          await world.until(id, "paused");
          await world.server.ok("POST", `/v1/environments/${id}/resume`);
          await world.until(id, "running");
          // A connection that outlived the pause goes on by itself.
          if (reader.isOver) {
            reader.close();
            reader.open();
          }
        }
        await goOn(`fault ${fault} (${kind})`);
        done.push(kind);
      }
      expect(reader.trouble).toEqual([]);
      // `ready`, `BEGIN` and its newline, the count, `END`.
      const total = BigInt(5 + 6 + BYTES + 3);
      await poll("the last byte", () => reader.next >= total || reader.trouble.length > 0, DEADLINE_MS);
      expect(reader.trouble).toEqual([]);
      const { terminals } = await world.server.ok("GET", `/v1/environments/${id}/terminals`);
      expect(terminals.find((one: { id: string }) => one.id === terminal).endOffset).toBe(`${total}`);
      expect(reader.next).toBe(total);
      expect(done).toHaveLength(FAULTS);
      reader.close();
    },
    DEADLINE_MS,
  );
});
