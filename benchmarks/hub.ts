/** What following terminals with screen models costs, on the `process` driver. */
import { setTimeout as delay } from "node:timers/promises";
import { EXEC_SUBPROTOCOL, FRAME } from "@microterm/protocol";
import WebSocket from "ws";
import { poll, startServer, type TestServer } from "../support/server.ts";
import { TerminalClient } from "../support/terminal-client.ts";
import { median, processFigures, quantile, signed, spread } from "./figures.ts";
import { createGroup } from "./group.ts";

const ENVIRONMENTS = 10;
const TERMINALS = 20;
const ROWS = 1000;
const KEYS = 500;
const WARM_KEYS = 100;
const JOINS = 20;
/** Models are released when a terminal has been idle for 10 s. */
const IDLE_MS = 25_000;
const SETTLE_MS = 5_000;

/** 1,000 rows of 100 columns in changing colours. */
const FILL = `i=0; while [ $i -lt ${ROWS} ]; do printf '\\033[3%dm%-99d\\033[0m\\n' $((i % 8)) $i; i=$((i + 1)); done; printf FILLED; exec cat`;
const ECHO = "stty raw -echo; printf ready; exec cat";

const newTerminal = async (server: TestServer, environment: string, script: string): Promise<string> => {
  const wish = { cols: 120, rows: 40, command: ["sh", "-c", script] };
  return (await server.ok("POST", `/v1/environments/${environment}/terminals`, wish)).id;
};

/** Types keys and waits for each one's echo; `onBytes` is given what to call when output has come. */
async function echoTimes(type: (key: string) => void, onBytes: (listener: () => void) => void): Promise<number[]> {
  let done = (): void => undefined;
  onBytes(() => done());
  const times: number[] = [];
  for (let key = 0; key < WARM_KEYS + KEYS; key++) {
    const begin = performance.now();
    const heard = new Promise<void>((resolve) => {
      done = resolve;
    });
    type(String.fromCharCode(97 + (key % 26)));
    await heard;
    if (key >= WARM_KEYS) times.push(performance.now() - begin);
  }
  return times;
}

async function echoByTerminal(server: TestServer, environment: string): Promise<number[]> {
  const client = await new TerminalClient(server, environment, await newTerminal(server, environment, ECHO)).opened();
  await client.until("ready");
  const times = await echoTimes(
    (key) => client.type(key),
    (listener) => client.socket.on("message", (message: Buffer) => message[0] === FRAME.output && listener()),
  );
  await client.close();
  return times;
}

/** The same way through the server but for the hub: a program's own stream. */
async function echoByExec(server: TestServer, environment: string): Promise<number[]> {
  const address = `${server.url.replace("http", "ws")}/v1/environments/${environment}/exec`;
  const headers = { authorization: `Bearer ${server.token}` };
  const socket = new WebSocket(address, [EXEC_SUBPROTOCOL], { headers, perMessageDeflate: false });
  let text = "";
  socket.on("message", (message: Buffer) => {
    if (message[0] === FRAME.stdout) text += message.subarray(1).toString("latin1");
  });
  await new Promise((resolve) => socket.once("open", resolve));
  const start = { command: ["sh", "-c", ECHO], tty: { cols: 120, rows: 40 } };
  socket.send(Buffer.concat([Buffer.of(FRAME.start), Buffer.from(JSON.stringify(start))]));
  await poll("the program", () => text.includes("ready"));
  const times = await echoTimes(
    (key) => socket.send(Buffer.concat([Buffer.of(FRAME.input), Buffer.from(key)])),
    (listener) => socket.on("message", (message: Buffer) => message[0] === FRAME.stdout && listener()),
  );
  socket.terminate();
  return times;
}

async function lateJoins(
  server: TestServer,
  writer: TerminalClient,
  environment: string,
  terminal: string,
): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < JOINS; round++) {
    // A screen that nothing was printed on since is not taken again.
    writer.type(".");
    await writer.until(".");
    writer.forget();
    const begin = performance.now();
    const client = new TerminalClient(server, environment, terminal, { from: null, keep: false });
    await new Promise<void>((resolve) => {
      client.socket.on("message", (message: Buffer) => message[0] === FRAME.keyframe && resolve());
    });
    times.push(performance.now() - begin);
    await client.close();
  }
  return times;
}

interface HubWorld {
  readonly server: TestServer;
  readonly environments: readonly string[];
}

export const HUB = createGroup<HubWorld>({
  async open() {
    const server = await startServer();
    const environments: string[] = [];
    for (let count = 0; count < ENVIRONMENTS; count++) environments.push((await server.environment()).id);
    return { server, environments };
  },
  close: ({ server }) => server.dispose(),
  benchmarks: {
    async "hub-echo"({ server, environments: [one = ""] }) {
      const [without, following] = [await echoByExec(server, one), await echoByTerminal(server, one)];
      return [
        {
          name: `key echo with a model following, p50 / p99 of ${KEYS}`,
          figure: spread(following),
          floor: `${spread(without)} without (exec)`,
          ratio: signed(median(following) - median(without)),
          target: "p50 ≤ 0.3 ms above",
        },
      ];
    },

    async "hub-memory"({ server, environments }) {
      const memory = (): number => processFigures(server.pid).residentMb;
      const clients: TerminalClient[] = [];
      let last = { environment: "", terminal: "" };
      const attachMore = async (): Promise<void> => {
        for (let count = 0; count < TERMINALS; count++) {
          const environment = environments[count % ENVIRONMENTS] ?? "";
          const terminal = await newTerminal(server, environment, FILL);
          const client = await new TerminalClient(server, environment, terminal).opened();
          clients.push(client);
          await client.until("FILLED");
          client.forget();
          last = { environment, terminal };
        }
      };
      try {
        const before = memory();
        await attachMore();
        await delay(SETTLE_MS);
        const attached = memory();
        const joins = await lateJoins(server, clients.at(-1) as TerminalClient, last.environment, last.terminal);
        await delay(IDLE_MS);
        // The allocator keeps what the models of the first ones had for the next ones: what more terminals cost is the growth from here.
        const idle = memory();
        await attachMore();
        await delay(IDLE_MS);
        const twice = memory();
        return [
          {
            name: `server's memory, ${ENVIRONMENTS} environments and ${TERMINALS} attached terminals of ${ROWS} rows`,
            figure: `${attached.toFixed(0)} MB`,
            floor: `${before.toFixed(0)} MB before they were attached`,
            target: "≤ 200 MB",
          },
          {
            name: `late join to ${ROWS} rows, p50 / p99 of ${JOINS}`,
            figure: `${median(joins).toFixed(0)} / ${quantile(joins, 0.99).toFixed(0)} ms`,
            target: "≤ 50 ms",
          },
          {
            name: `server's memory, ${2 * TERMINALS} attached and idle terminals`,
            figure: `${twice.toFixed(0)} MB`,
            floor: `${idle.toFixed(0)} MB with ${TERMINALS}`,
            ratio: `${(((twice - idle) * 1000) / TERMINALS).toFixed(0)} KB each`,
            target: "≤ 300 KB each",
          },
        ];
      } finally {
        for (const client of clients) client.socket.terminate();
      }
    },
  },
});
