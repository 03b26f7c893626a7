/**
 * What the server costs on the `process` driver, with the floor beside it: the same agent, attached to directly over its
 * socket, without server and WebSocket.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { GuestAgent, TerminalStream } from "@microterm/core";
import { createProcessDriver } from "@microterm/drivers";
import { MachineId, TerminalId } from "@microterm/protocol";
import { createQuietLog } from "../support/quiet-log.ts";
import { rustBinary } from "../support/rust-binaries.ts";
import { poll, startServer, type TestServer } from "../support/server.ts";
import { makeTempFolder } from "../support/temp-folder.ts";
import { median, processFigures, signed, spread } from "./figures.ts";
import { measureStall } from "./footprint.ts";
import { createGroup } from "./group.ts";
import { type OpenTerminal, OutputTail, openServed, type TerminalEnd } from "./terminal-end.ts";
import { flood, interrupt, typeKeys } from "./terminals.ts";

const KEYS = 1000;
const INTERRUPTS = 100;
export const FLOOD_BYTES = 200_000_000;
// Made while it is printed, which costs a host far less than the way of what is printed.
export const FLOOD = `stty -onlcr; printf ready; read go; yes 0123456789abcdef | head -c ${FLOOD_BYTES}; printf END; exec cat`;
const ENVIRONMENTS = 10;
const IDLE_SECONDS = 20;
/** What a start leaves to be done is over by then. */
const SETTLE_MS = 5000;

async function direct(agent: GuestAgent, script: string): Promise<TerminalEnd> {
  const id = TerminalId.parse(Math.random().toString(36).slice(2, 10));
  await agent.openTerminal({ id, cols: 80, rows: 24, command: ["sh", "-c", script] });
  const tail = new OutputTail();
  const nothing = () => undefined;
  const stream: TerminalStream = await agent.attach(id, {
    events: {
      output: (_offset, bytes) => tail.push(bytes),
      gap: nothing,
      resized: nothing,
      exited: nothing,
      closed: nothing,
    },
  });
  return {
    type: (text) => stream.write(Buffer.from(text)),
    received: () => tail.received,
    until: (text, withinMs) => tail.until(text, withinMs),
    close: async () => {
      stream.close();
      await agent.closeTerminal(id);
    },
  };
}

interface Through {
  readonly server: TestServer;
  readonly floor: OpenTerminal;
  readonly through: OpenTerminal;
  /** What has held the server's event loop up since the last call, ms; see loop-delay.ts. */
  loopDelay(): Promise<{ readonly late: number; readonly own: number }>;
  close(): Promise<void>;
}

async function openThrough(): Promise<Through> {
  const folder = await makeTempFolder();
  const agentBinary = await rustBinary("microterm-agent");
  const directory = join(folder.path, "direct");
  mkdirSync(directory);
  const driver = createProcessDriver({ agentBinary, directory, log: createQuietLog() });
  const machineId = MachineId.parse("benchmark0000000");
  const machine = await driver.boot({
    machineId,
    memoryMib: 128,
    cpus: 1,
    diskId: null,
    environmentId: "b",
    network: null,
    limits: null,
  });
  const agent = await machine.agent({ timeoutMs: 5000 });
  const delays = join(folder.path, "delays.json");
  const server = await startServer({
    env: { LOOP_DELAY_FILE: delays, NODE_OPTIONS: `--import=${join(import.meta.dirname, "loop-delay.ts")}` },
  });
  const { id } = await server.environment();
  return {
    server,
    floor: (script) => direct(agent, script),
    through: (script) => openServed(server, id, script),
    async loopDelay() {
      rmSync(delays, { force: true });
      process.kill(server.pid, "SIGUSR2");
      await poll("the loop's delay", () => existsSync(delays));
      return JSON.parse(readFileSync(delays, "utf8"));
    },
    async close() {
      await machine.stop();
      await server.dispose();
      await folder.remove();
    },
  };
}

export const THROUGH = createGroup<Through>({
  open: openThrough,
  close: (world) => world.close(),
  benchmarks: {
    async "server-echo"({ floor, through }) {
      const [echoFloor, echo] = [await typeKeys(floor, KEYS), await typeKeys(through, KEYS)];
      return [
        {
          name: `key echo, process driver, p50 / p99 of ${KEYS}`,
          figure: spread(echo),
          floor: `${spread(echoFloor)} the agent's socket`,
          ratio: signed(median(echo) - median(echoFloor)),
          target: "p50 ≤ 0.15 ms above",
        },
      ];
    },

    async "server-flood"({ floor, through, loopDelay }, { rounds }) {
      await loopDelay();
      const [direct, served]: [number[], number[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        direct.push(await flood(floor, FLOOD, FLOOD_BYTES));
        served.push(await flood(through, FLOOD, FLOOD_BYTES));
      }
      const held = await loopDelay();
      return [
        {
          name: `flood of ${FLOOD_BYTES / 1e6} MB, process driver, p50 of ${rounds}`,
          figure: `${median(served).toFixed(1)} MB/s`,
          floor: `${median(direct).toFixed(1)} MB/s the agent's socket`,
          ratio: `${(median(served) / median(direct)).toFixed(2)} ×`,
          target: "≥ 35 MB/s",
        },
        {
          name: "the event loop meanwhile: longest own work",
          figure: `${held.own.toFixed(1)} ms`,
          ratio: `a timer was ${held.late.toFixed(1)} ms late`,
          target: "≤ 20 ms",
        },
      ];
    },

    async "server-interrupt"({ floor, through }) {
      const [stopFloor, stop] = [await interrupt(floor, "y", INTERRUPTS), await interrupt(through, "y", INTERRUPTS)];
      return [
        {
          name: `Ctrl-C under a plain \`yes\`, process driver, p50 / p99 of ${INTERRUPTS}`,
          figure: spread(stop),
          floor: `${spread(stopFloor)} the agent's socket`,
          ratio: signed(median(stop) - median(stopFloor)),
          target: "p50 ≤ 5 ms",
        },
      ];
    },
  },
});

async function idleShare({ pid }: TestServer): Promise<string> {
  await delay(SETTLE_MS);
  const before = processFigures(pid).cpuSeconds;
  await delay(IDLE_SECONDS * 1000);
  const share = ((processFigures(pid).cpuSeconds - before) / IDLE_SECONDS) * 100;
  return `${share.toFixed(2)} % of a core`;
}

/** The probe of the loop wakes 200 times a second: idle figures need a server without it. */
export const IDLE = createGroup<TestServer>({
  open: () => startServer(),
  close: (server) => server.dispose(),
  benchmarks: {
    async "server-idle"(server) {
      const empty = await idleShare(server);
      for (let count = 0; count < ENVIRONMENTS; count++) await server.environment();
      const share = await idleShare(server);
      return [
        {
          name: `server's memory with ${ENVIRONMENTS} environments, process driver`,
          figure: `${processFigures(server.pid).residentMb.toFixed(0)} MB`,
          target: "≤ 120 MB",
        },
        {
          name: `server's idle time with ${ENVIRONMENTS}, process driver`,
          figure: share,
          floor: `${empty} with none`,
          target: "< 0.5 %",
        },
      ];
    },
  },
});

export const STALL = createGroup<TestServer>({
  open: () => startServer(),
  close: (server) => server.dispose(),
  benchmarks: { stall: (server) => measureStall(server) },
});
