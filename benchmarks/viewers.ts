/** What hundreds who look on cost the one who types, and the server, on the `process` driver. */
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { FRAME } from "@microterm/protocol";
import { startServer, type TestServer } from "../support/server.ts";
import { accept, codeOf, openTerminal, share } from "../support/sharing.ts";
import { TerminalClient } from "../support/terminal-client.ts";
import { median, processFigures, signed, spread } from "./figures.ts";
import { createGroup } from "./group.ts";

const KEYS = 300;
const WARM_KEYS = 50;
/** Keys come while output does, so each one is known by its own mark. */
const KEY_EVERY_MS = 10;
const SETTLE_MS = 5000;
/** Prints so many bytes a second in 20 pieces, and echoes each line that is typed as `<LINE>`. */
const printing = (bytesPerSecond: number): string =>
  `stty raw -echo; exec perl -e '$| = 1; my $row = ("x" x 99) . "\\r\\n"; my $piece = $row x ${Math.ceil(bytesPerSecond / 20 / 101)};
  use Time::HiRes qw(time sleep); my $next = time; my $in = ""; print "ready"; vec($in, fileno(STDIN), 1) = 1;
  while (1) { my $wait = $next - time; if ($wait <= 0) { print $piece; $next += 0.05; next }
  if (select(my $out = $in, undef, undef, $wait) > 0) { sysread(STDIN, my $key, 64) or exit; print "<$key>" } }'`;

/** In the middle of what it has over some seconds: collections of garbage make it go up and down. */
async function residentMb(pid: number): Promise<number> {
  const samples: number[] = [];
  for (const end = performance.now() + SETTLE_MS; performance.now() < end; await delay(50)) {
    samples.push(processFigures(pid).residentMb);
  }
  return median(samples);
}

/** Types marks and waits for each one's echo. */
async function echoTimes(client: TerminalClient): Promise<number[]> {
  const times: number[] = [];
  let heard: () => void = () => undefined;
  let mark = "";
  client.socket.on("message", (message: Buffer) => {
    if (message[0] === FRAME.output && message.includes(`<${mark}>`, 9, "latin1")) heard();
  });
  for (let key = 0; key < WARM_KEYS + KEYS; key++) {
    mark = String.fromCharCode(97 + (key % 26));
    const echo = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const begin = performance.now();
    client.type(mark);
    await echo;
    if (key >= WARM_KEYS) times.push(performance.now() - begin);
    await delay(KEY_EVERY_MS);
  }
  return times;
}

/** Viewers in a thread of their own, so that their work delays no key of the one who types. */
async function viewersOf(url: string, grants: readonly (readonly [string, string])[]): Promise<Worker> {
  const worker = new Worker(new URL("viewer-worker.ts", import.meta.url), { workerData: { url, grants } });
  await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  return worker;
}

async function measure(server: TestServer, environment: string, count: number, bytesPerSecond: number) {
  const terminal = await openTerminal(server, environment, printing(bytesPerSecond));
  const client = await new TerminalClient(server, environment, terminal, { from: null, keep: false }).opened();
  const alone = await echoTimes(client);
  const before = await residentMb(server.pid);
  const code = codeOf(await share(server, environment, terminal, { uses: count, withoutAccount: true }));
  const grants: (readonly [string, string])[] = [];
  for (let at = 0; at < count; at++) {
    const { grant, headers } = await accept(server, code, { name: `viewer ${at}` });
    grants.push([grant, JSON.stringify(headers)]);
  }
  const worker = await viewersOf(server.url, grants);
  const attached = await residentMb(server.pid);
  const busy = processFigures(server.pid);
  const began = performance.now();
  const watched = await echoTimes(client);
  const after = processFigures(server.pid);
  const cpu = (after.cpuSeconds - busy.cpuSeconds) / ((performance.now() - began) / 1000);
  await worker.terminate();
  await client.close();
  await server.ok("DELETE", `/v1/environments/${environment}/terminals/${terminal}`);
  return { alone, watched, kbEach: ((attached - before) * 1000) / count, cpu };
}

interface ViewersWorld {
  readonly server: TestServer;
  readonly environment: string;
}

async function figuresOf({ server, environment }: ViewersWorld, count: number, bytesPerSecond: number) {
  const { alone, watched, kbEach, cpu } = await measure(server, environment, count, bytesPerSecond);
  const what = `${count} viewers of ${bytesPerSecond / 1000} KB/s`;
  return [
    {
      name: `key echo beside ${what}, p50 / p99 of ${KEYS}`,
      figure: spread(watched),
      floor: `${spread(alone)} alone`,
      ratio: signed(median(watched) - median(alone)),
      target: "p50 ≤ 3 ms above",
    },
    {
      name: `server's memory for ${what}`,
      figure: `${kbEach.toFixed(0)} KB each`,
      ratio: `${(cpu * 100).toFixed(0)} % of a core meanwhile`,
      target: "≤ 200 KB each",
    },
  ];
}

export const VIEWERS = createGroup<ViewersWorld>({
  async open() {
    const server = await startServer();
    return { server, environment: (await server.environment()).id };
  },
  close: ({ server }) => server.dispose(),
  benchmarks: {
    viewers: (world) => figuresOf(world, 200, 50_000),
    "viewers-flood": (world) => figuresOf(world, 20, 1_000_000),
  },
});
