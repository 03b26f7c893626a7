import { createClient } from "@microterm/sdk";
import { expect, it, onTestFinished } from "vitest";
import type { WebSocket } from "ws";
import { openVia } from "../../support/sdk-socket.ts";
import { poll } from "../../support/server.ts";
import { terminalSuite } from "../../support/terminal-suite.ts";

const suite = terminalSuite("input");

/** Reads nothing before the file `go` is there, then each line. */
const SLOW_READER =
  'stty raw -echo -onlcr; printf ready; while [ ! -e go ]; do sleep 0.02; done; rm go; while IFS=x read number rest; do echo "<$number>"; done';

interface Typist {
  readonly text: string;
  readonly lost: readonly number[];
  readonly notices: readonly string[];
  readonly isConnected: boolean;
  readonly waiting: number;
  type(text: string): boolean;
  /** Ends its connection without a word to either side's code. */
  cut(): void;
}

function typist(
  server: { readonly url: string; readonly token: string },
  environment: string,
  terminal: string,
): Typist {
  let socket: WebSocket | null = null;
  let text = "";
  const lost: number[] = [];
  const notices: string[] = [];
  const client = createClient({
    url: server.url,
    token: server.token,
    openSocket: openVia((opened) => {
      socket = opened;
    }),
  });
  const attachment = client.attachTerminal({
    environment,
    terminal,
    from: null,
    size: { cols: 80, rows: 24 },
    onOutput: (bytes, offset) => {
      text += Buffer.from(bytes).toString();
      attachment.acknowledge(offset + BigInt(bytes.length));
    },
    onKeyframe: (keyframe) => {
      text += Buffer.from(keyframe.bytes).toString();
      attachment.acknowledge(keyframe.offset);
    },
    onInputLost: (bytes) => lost.push(bytes),
    onNotice: (code) => notices.push(code),
  });
  onTestFinished(() => attachment.close());
  return {
    get text() {
      return text;
    },
    lost,
    notices,
    get isConnected() {
      return attachment.state.kind === "connected";
    },
    get waiting() {
      return attachment.queuedInput;
    },
    type: (typed) => attachment.write(Buffer.from(typed)),
    cut: () => socket?.terminate(),
  };
}

const numbers = (text: string): number[] => [...text.matchAll(/<(\d+)>/g)].map(([, number]) => Number(number));

it("types each line once that was typed over a connection that breaks again and again", async () => {
  const terminal = await suite.open(SLOW_READER);
  const one = typist(suite.server, suite.environment, terminal);
  await poll("the program", () => one.text.includes("ready"));
  for (let line = 0; line < 400; line += 1) {
    expect(one.type(`${line}${"x".repeat(200)}\n`)).toBe(true);
    if (line % 50 === 25) one.cut();
    if (line % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await suite.server.ok("POST", `/v1/environments/${suite.environment}/exec`, { command: ["touch", "go"] });
  await poll("all lines", () => one.text.includes("<399>"), 90_000);
  expect(numbers(one.text)).toEqual(Array.from({ length: 400 }, (_, line) => line));
  await poll("the last acknowledgement", () => one.waiting === 0);
  expect([one.lost, one.notices]).toEqual([[], []]);
});

it("refuses what is more than it keeps, and loses nothing of what it took", async () => {
  const terminal = await suite.open(SLOW_READER);
  const one = typist(suite.server, suite.environment, terminal);
  await poll("the program", () => one.text.includes("ready"));
  const line = (number: number) => `${number}${"x".repeat(16_000)}\n`;
  let taken = 0;
  while (one.type(line(taken))) taken += 1;
  expect(taken * 16_000).toBeGreaterThan(900_000);
  await suite.server.ok("POST", `/v1/environments/${suite.environment}/exec`, { command: ["touch", "go"] });
  await poll("all that was taken", () => one.text.includes(`<${taken - 1}>`), 90_000);
  expect(numbers(one.text)).toEqual(Array.from({ length: taken }, (_, number) => number));
});
