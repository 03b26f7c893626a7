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
import { poll, startServer, type TestServer } from "../support/server.ts";
import { makeTempFolder } from "../support/temp-folder.ts";
import { TerminalClient } from "../support/terminal-client.ts";

const KEYS = 1000;
const INTERRUPTS = 100;
const FLOOD_BYTES = 200_000_000;
const ECHO = "stty raw -echo; echo ready; exec cat";
const FLOOD = `stty -onlcr; yes 0123456789abcdef | head -c ${FLOOD_BYTES}; printf END; exec cat`;
const YES = "trap : INT; while :; do yes; echo INTERRUPTED; read line; done";

/** One end of a terminal, however it is reached. */
interface End {
  type(text: string): void;
  /** All output so far. */
  received(): number;
  /** Resolves when output ends with `text`. */
  until(text: string): Promise<void>;
  close(): Promise<void> | void;
}

/** Keeps the last bytes of an output and tells who waits for them. */
class Tail {
  received = 0;
  #text = "";
  #waiting: { readonly text: string; readonly done: () => void } | null = null;

  push(bytes: Uint8Array): void {
    this.received += bytes.length;
    this.#text = (this.#text + Buffer.from(bytes.subarray(-64)).toString("latin1")).slice(-64);
    if (this.#waiting === null || !this.#text.includes(this.#waiting.text)) return;
    const { done } = this.#waiting;
    this.#waiting = null;
    this.#text = "";
    done();
  }

  until(text: string): Promise<void> {
    return new Promise((done) => {
      this.#waiting = { text, done };
      this.push(new Uint8Array(0));
    });
  }
}

async function direct(agent: GuestAgent, script: string): Promise<End> {
  const id = TerminalId.parse(Math.random().toString(36).slice(2, 10));
  await agent.openTerminal({ id, cols: 80, rows: 24, command: ["sh", "-c", script] });
  const tail = new Tail();
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
    until: (text) => tail.until(text),
    close: async () => {
      stream.close();
      await agent.closeTerminal(id);
    },
  };
}

async function served(server: TestServer, environment: string, script: string): Promise<End> {
  const { id } = await server.ok("POST", `/v1/environments/${environment}/terminals`, {
    command: ["sh", "-c", script],
  });
  const client = new TerminalClient(server, environment, id, { keep: false });
  const tail = new Tail();
  client.socket.on("message", (message: Buffer) => {
    if (message[0] === 1) tail.push(message.subarray(9));
  });
  await client.opened();
  return {
    type: (text) => client.type(text),
    received: () => tail.received,
    until: (text) => tail.until(text),
    close: async () => {
      await client.close();
      await server.call("DELETE", `/v1/environments/${environment}/terminals/${id}`);
    },
  };
}

type Open = (script: string) => Promise<End>;

async function keyEcho(open: Open): Promise<number[]> {
  const end = await open(ECHO);
  await end.until("ready");
  const times: number[] = [];
  for (let key = 0; key < KEYS; key++) {
    const letter = String.fromCharCode(97 + (key % 26));
    const begin = performance.now();
    end.type(letter);
    await end.until(letter);
    times.push(performance.now() - begin);
  }
  await end.close();
  return times;
}

async function flood(open: Open): Promise<number> {
  const end = await open(FLOOD);
  const begin = performance.now();
  await end.until("END");
  const seconds = (performance.now() - begin) / 1000;
  await end.close();
  return FLOOD_BYTES / 1e6 / seconds;
}

async function interrupts(open: Open): Promise<number[]> {
  const end = await open(YES);
  const times: number[] = [];
  for (let round = 0; round < INTERRUPTS; round++) {
    const before = end.received();
    // Only once the flood flows: an earlier Ctrl-C would come before the program runs.
    await poll("the flood", () => end.received() > before + 100_000);
    const begin = performance.now();
    end.type("\x03");
    await end.until("INTERRUPTED");
    times.push(performance.now() - begin);
    end.type("\n");
  }
  await end.close();
  return times;
}

const ms = (times: readonly number[], share: number): string =>
  (times.toSorted((a, b) => a - b)[Math.floor(times.length * share)] ?? Number.NaN).toFixed(2);
const row = (name: string, ...cells: readonly string[]): void => console.log(`| ${[name, ...cells].join(" | ")} |`);

function processFigures(pid: number): { readonly residentMb: number; readonly cpuSeconds: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  // utime and stime of proc(5), in ticks of 1/100 s.
  return {
    residentMb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1000,
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
  };
}

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

try {
  const { id } = await server.environment();
  const floor: Open = (script) => direct(agent, script);
  const through: Open = (script) => served(server, id, script);
  await keyEcho(floor);
  await keyEcho(through);
  await loopDelay();
  row("", "floor: agent's socket", "through the server");
  row("---", "---", "---");
  const [echoFloor, echo] = [await keyEcho(floor), await keyEcho(through)];
  row(
    "key echo p50 / p99, ms",
    `${ms(echoFloor, 0.5)} / ${ms(echoFloor, 0.99)}`,
    `${ms(echo, 0.5)} / ${ms(echo, 0.99)}`,
  );
  row("flood of 200 MB, MB/s", (await flood(floor)).toFixed(1), (await flood(through)).toFixed(1));
  const [stopFloor, stop] = [await interrupts(floor), await interrupts(through)];
  row(
    "Ctrl-C under yes p50 / p99, ms",
    `${ms(stopFloor, 0.5)} / ${ms(stopFloor, 0.99)}`,
    `${ms(stop, 0.5)} / ${ms(stop, 0.99)}`,
  );
  const held = await loopDelay();
  row("event loop: longest own work / timer late, ms", "", `${held.own.toFixed(1)} / ${held.late.toFixed(1)}`);
} finally {
  await machine.stop();
  await server.dispose();
}

// The probe wakes a thousand times a second, so that the idle figures need a server without it.
const idle = await startServer();
const IDLE_SECONDS = 20;
async function idleShare(): Promise<string> {
  const before = processFigures(idle.pid).cpuSeconds;
  await delay(IDLE_SECONDS * 1000);
  return (((processFigures(idle.pid).cpuSeconds - before) / IDLE_SECONDS) * 100).toFixed(2);
}
try {
  row("idle without environments, % of a core", "", await idleShare());
  for (let count = 0; count < 10; count++) await idle.environment();
  row("memory with 10 environments, MB", "", processFigures(idle.pid).residentMb.toFixed(0));
  row("idle with 10 (this driver looks at each once a second), % of a core", "", await idleShare());
} finally {
  await idle.dispose();
  await folder.remove();
}
