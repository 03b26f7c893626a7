/**
 * ttyd (github.com/tsl0922/ttyd) beside the server on the `process` driver, by turns, where `TTYD` names its program. ttyd sends the
 * bytes of a PTY to one client and keeps nothing; the server keeps output, screens and a log, and serves any number of clients.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import WebSocket from "ws";
import { poll, startServer, type TestServer } from "../support/server.ts";
import { type Figure, median, signed, spread } from "./figures.ts";
import { createGroup } from "./group.ts";
import { FLOOD, FLOOD_BYTES } from "./process.ts";
import { type OpenTerminal, OutputTail, openServed } from "./terminal-end.ts";
import { flood, interrupt, typeKeys } from "./terminals.ts";

const KEYS = 300;
const INTERRUPTS = 30;
/** Types of ttyd's frames (its src/server.h). */
const [OUTPUT, INPUT] = ["0", "0"];

const { TTYD: program } = process.env;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

/** A ttyd of its own for each terminal. */
const openTtyd =
  (path: string): OpenTerminal =>
  async (script) => {
    const port = await freePort();
    const args = ["--writable", "--port", String(port), "--interface", "127.0.0.1", "sh", "-c", script];
    const child: ChildProcess = spawn(path, args, { stdio: "ignore" });
    const ended = new Promise<void>((resolve) => {
      child.once("error", () => resolve());
      child.once("close", () => resolve());
    });
    const connect = (): Promise<WebSocket | null> =>
      new Promise((resolve) => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, ["tty"], { perMessageDeflate: false });
        socket.once("open", () => resolve(socket));
        socket.once("error", () => resolve(null));
      });
    let socket: WebSocket | null = null;
    await poll("ttyd", async () => {
      socket = await connect();
      return socket !== null;
    });
    const connected = socket as unknown as WebSocket;
    const tail = new OutputTail();
    connected.on("message", (message: Buffer) => {
      if (message[0] === OUTPUT.charCodeAt(0)) tail.push(message.subarray(1));
    });
    connected.send(JSON.stringify({ columns: 80, rows: 24, AuthToken: "" }));
    return {
      type: (text) => connected.send(Buffer.from(`${INPUT}${text}`)),
      received: () => tail.received,
      until: (text, withinMs) => tail.until(text, withinMs),
      close: async () => {
        connected.terminate();
        child.kill("SIGKILL");
        await ended;
      },
    };
  };

interface Pair {
  readonly server: TestServer;
  readonly ours: OpenTerminal;
  readonly theirs: OpenTerminal;
}

async function byTurns<T>({ ours, theirs }: Pair, rounds: number, measure: (open: OpenTerminal) => Promise<T>) {
  const results: { ours: T[]; theirs: T[] } = { ours: [], theirs: [] };
  for (let round = 0; round < rounds; round++) {
    results.theirs.push(await measure(theirs));
    results.ours.push(await measure(ours));
  }
  return results;
}

const times = (name: string, ours: readonly number[], theirs: readonly number[], target: string): Figure => ({
  name: `${name}, p50 / p99 of ${ours.length}`,
  figure: spread(ours),
  floor: `${spread(theirs)} ttyd`,
  ratio: signed(median(ours) - median(theirs)),
  target,
});

export const TTYD = createGroup<Pair | null>({
  async open() {
    if (program === undefined) return null;
    const server = await startServer();
    const { id } = await server.environment();
    return { server, ours: (script) => openServed(server, id, script), theirs: openTtyd(program) };
  },
  close: async (pair) => pair?.server.dispose(),
  benchmarks: {
    async ttyd(pair, { rounds }) {
      if (pair === null) return [{ name: "beside ttyd", figure: "not measured: TTYD names no program", target: "" }];
      const echo = await byTurns(pair, rounds, (open) => typeKeys(open, KEYS));
      const floods = await byTurns(pair, rounds, (open) => flood(open, FLOOD, FLOOD_BYTES));
      const stops = await byTurns(pair, rounds, (open) => interrupt(open, "y", INTERRUPTS));
      const [ours, theirs] = [median(floods.ours), median(floods.theirs)];
      return [
        times("key echo", echo.ours.flat(), echo.theirs.flat(), ""),
        {
          name: `flood of ${FLOOD_BYTES / 1e6} MB, p50 of ${rounds}`,
          figure: `${ours.toFixed(1)} MB/s`,
          floor: `${theirs.toFixed(1)} MB/s ttyd`,
          ratio: `${(ours / theirs).toFixed(2)} ×`,
          target: "",
        },
        times("Ctrl-C under a plain `yes`", stops.ours.flat(), stops.theirs.flat(), "p99 ≤ 2 × ttyd's"),
      ];
    },
  },
});
