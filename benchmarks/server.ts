/**
 * What the server costs on the `process` driver, with the floor beside it: the same agent, attached to directly over its
 * socket, without server and WebSocket. Prints, asserts nothing.
 *
 *     node benchmarks/server.ts
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { GuestAgent, TerminalStream } from "@microterm/core";
import { createProcessDriver } from "@microterm/drivers";
import { MachineId, TerminalId } from "@microterm/protocol";
import { createQuietLog } from "../support/quiet-log.ts";
import { rustBinary } from "../support/rust-binaries.ts";
import { poll, startServer } from "../support/server.ts";
import { makeTempFolder } from "../support/temp-folder.ts";
import { type Figure, hostLoad, median, processFigures, signed, spread, tableHead, tableRow } from "./figures.ts";
import { type OpenTerminal, OutputTail, openServed, type TerminalEnd } from "./terminal-end.ts";
import { flood, interrupt, typeKeys } from "./terminals.ts";

const KEYS = 1000;
const INTERRUPTS = 100;
const FLOOD_BYTES = 200_000_000;
// Made while it is printed, which costs a host far less than the way of what is printed.
const FLOOD = `stty -onlcr; printf ready; read go; yes 0123456789abcdef | head -c ${FLOOD_BYTES}; printf END; exec cat`;
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

const show = (figure: Figure): void => console.log(tableRow(figure));

const folder = await makeTempFolder();
const agentBinary = await rustBinary("microterm-agent");
const driver = createProcessDriver({ agentBinary, directory: join(folder.path, "direct"), log: createQuietLog() });
mkdirSync(join(folder.path, "direct"));
const machineId = MachineId.parse("benchmark0000000");
const machine = await driver.boot({ machineId, memoryMib: 128, cpus: 1, diskId: null, environmentId: "b" });
const agent = await machine.agent({ timeoutMs: 5000 });
const delays = join(folder.path, "delays.json");
const server = await startServer({
  env: { LOOP_DELAY_FILE: delays, NODE_OPTIONS: `--import=${join(import.meta.dirname, "loop-delay.ts")}` },
});
async function loopDelay(): Promise<{ readonly late: number; readonly own: number }> {
  rmSync(delays, { force: true });
  process.kill(server.pid, "SIGUSR2");
  await poll("the loop's delay", () => existsSync(delays));
  return JSON.parse(readFileSync(delays, "utf8"));
}

console.log(`${hostLoad()} at the start\n\n${tableHead()}`);
try {
  const { id } = await server.environment();
  const floor: OpenTerminal = (script) => direct(agent, script);
  const through: OpenTerminal = (script) => openServed(server, id, script);
  const [echoFloor, echo] = [await typeKeys(floor, KEYS), await typeKeys(through, KEYS)];
  await loopDelay();
  show({
    name: `key echo p50 / p99 of ${KEYS}`,
    figure: spread(echo),
    floor: spread(echoFloor),
    ratio: signed(median(echo) - median(echoFloor)),
    target: "",
  });
  const [floodFloor, flooded] = [await flood(floor, FLOOD, FLOOD_BYTES), await flood(through, FLOOD, FLOOD_BYTES)];
  show({
    name: `flood of ${FLOOD_BYTES / 1e6} MB`,
    figure: `${flooded.toFixed(1)} MB/s`,
    floor: `${floodFloor.toFixed(1)} MB/s`,
    ratio: `${(flooded / floodFloor).toFixed(2)} ×`,
    target: "≥ 25 MB/s",
  });
  const [stopFloor, stop] = [await interrupt(floor, "y", INTERRUPTS), await interrupt(through, "y", INTERRUPTS)];
  show({
    name: `Ctrl-C under a plain \`yes\`, p50 / p99 of ${INTERRUPTS}`,
    figure: spread(stop),
    floor: spread(stopFloor),
    ratio: signed(median(stop) - median(stopFloor)),
    target: "p50 ≤ 5 ms",
  });
  const held = await loopDelay();
  show({
    name: "the event loop meanwhile: longest own work",
    figure: `${held.own.toFixed(1)} ms`,
    ratio: `a timer was ${held.late.toFixed(1)} ms late`,
    target: "≤ 20 ms",
  });
} finally {
  await machine.stop();
  await server.dispose();
}

// The probe wakes 200 times a second, so that the idle figures need a server without it.
const idle = await startServer();
async function idleShare(): Promise<string> {
  await delay(SETTLE_MS);
  const before = processFigures(idle.pid).cpuSeconds;
  await delay(IDLE_SECONDS * 1000);
  const share = ((processFigures(idle.pid).cpuSeconds - before) / IDLE_SECONDS) * 100;
  return `${share.toFixed(2)} % of a core`;
}
try {
  const empty = await idleShare();
  for (let count = 0; count < ENVIRONMENTS; count++) await idle.environment();
  show({
    name: `server's memory with ${ENVIRONMENTS} environments`,
    figure: `${processFigures(idle.pid).residentMb.toFixed(0)} MB`,
    target: "≤ 120 MB",
  });
  show({
    name: `server's idle time with ${ENVIRONMENTS}`,
    figure: await idleShare(),
    floor: `${empty} with none`,
    target: "< 0.5 %",
  });
  console.log(`\n${hostLoad()} at the end`);
} finally {
  await idle.dispose();
  await folder.remove();
}
