import { readFileSync } from "node:fs";
import { parseScreenState, type Screen } from "@microterm/screen";
import { describeScreen, type ScreenDescription } from "@microterm/screen/testing";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import WebSocket from "ws";
import { createEmulator } from "../../support/emulator.ts";
import { poll, startServer, type TestServer } from "../../support/server.ts";
import { type SlowLine, startSlowLine } from "../../support/slow-line.ts";
import { TerminalClient, type TerminalClientOptions } from "../../support/terminal-client.ts";

/** 300 baud: a start bit, eight bits and a stop bit each. */
const BYTES_PER_SECOND = 30;
const FLOOD_BYTES = 80_000_000;
/** By then heaps and buffers have their size. */
const WARM_BYTES = 25_000_000;
/** What each of the slow ones may cost is 512 KiB; without a bound it would be the flood. */
const MOST_GROWTH_KIB = 24 * 1024;

let server: TestServer;
let line: SlowLine;
let environment: string;
beforeAll(async () => {
  server = await startServer();
  line = await startSlowLine(server.port, BYTES_PER_SECOND);
  environment = (await server.environment("slow")).id;
});
afterAll(async () => {
  await line.close();
  expect(await server.dispose()).toEqual([]);
});

function attach(terminal: string, url: string, options: TerminalClientOptions): TerminalClient {
  const headers = { host: `127.0.0.1:${server.port}` };
  const client = new TerminalClient({ url, token: server.token }, environment, terminal, { headers, ...options });
  onTestFinished(() => client.socket.terminate());
  return client;
}

const residentKib = (): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1]);

/** What an emulator shows after the last screen that came and all output after it. */
function shown({ keyframes, offset, bytes }: TerminalClient): ScreenDescription {
  const { terminal, screen } = createEmulator();
  const last = keyframes.at(-1) as TerminalClient["keyframes"][number];
  const { cols, rows, content } = last;
  screen.restoreNow({ cols, rows, content, state: parseScreenState(last.state) as Screen["state"] });
  screen.writeNow(bytes.subarray(bytes.length - Number(offset - last.offset)));
  return describeScreen(terminal);
}

it("holds up no other client and costs little while it is flooded, and shows what all see once it takes something", {
  timeout: 300_000,
}, async () => {
  const flood = `yes 'the quick brown fox' | head -c ${FLOOD_BYTES}; printf '\\033[1;35mEND\\033[4;7H'`;
  const { id: terminal } = await server.ok("POST", `/v1/environments/${environment}/terminals`, {
    command: ["sh", "-c", `stty raw -echo; printf 'before\\r\\n'; read -r go; ${flood}; exec cat`],
  });
  const fast = await attach(terminal, server.url, { keep: false }).opened();
  const slow = [
    attach(terminal, line.url, { from: null }),
    attach(terminal, line.url, { from: null, role: "viewer" }),
    attach(terminal, line.url, { from: null, role: "viewer", acknowledge: false }),
  ];
  const never = attach(terminal, server.url, { from: null, acknowledge: false });
  for (const client of [...slow, never]) {
    await client.opened();
    await poll("a screen", () => client.keyframes.length === 1, 240_000);
  }

  fast.type("go\n");
  let warm = 0;
  await poll("the flood to flow", () => {
    warm = Math.max(warm, residentKib());
    return fast.received > WARM_BYTES;
  });
  let highest = warm;
  await poll("the flood's end", () => {
    highest = Math.max(highest, residentKib());
    return fast.offset >= BigInt(FLOOD_BYTES);
  });
  expect(fast.jumps).toEqual([]);
  expect(highest - warm).toBeLessThan(MOST_GROWTH_KIB);
  expect([...slow, never].map(({ socket }) => socket.readyState)).toEqual([0, 0, 0, 0].map(() => WebSocket.OPEN));
  expect([...slow, never].every(({ offset }) => offset < BigInt(FLOOD_BYTES / 2))).toBe(true);

  line.open();
  fast.type("after");
  const silent = [slow[2] as TerminalClient, never];
  await poll("the last byte at every client", () => {
    for (const client of silent) client.acknowledge(client.offset);
    return [...slow, never].every(({ offset }) => offset === fast.offset);
  });
  const late = attach(terminal, server.url, { from: null });
  await poll("a late screen", () => late.keyframes.length === 1 && late.offset === fast.offset);
  for (const client of [...slow, never]) {
    expect(client.keyframes.length).toBeGreaterThan(1);
    expect([client.jumps, client.frames.filter((frame) => frame.startsWith("GAP"))]).toEqual([[], []]);
    expect(shown(client)).toEqual(shown(late));
  }
});
