/**
 * A fleet of two servers with many environments on Kubernetes, whose pods run nothing: what the servers add to the cluster, and what they need.
 *
 *     node support/cluster/run.ts node benchmarks/kubernetes.ts [--environments N] [--nodes N] [--rounds N]
 *
 * As root. 10,000 environments by default, which take half an hour on two cores. Prints one table, and its progress beside it. Asserts no time.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { KubernetesDriver } from "@microterm/drivers";
import { DEFAULT_SIZE, MachineId, SIZES, TerminalId } from "@microterm/protocol";
import pg from "pg";
import {
  as,
  type FakeFleet,
  makeEnvironment,
  makeEnvironments,
  type Owner,
  withFakeFleet,
} from "../support/cluster/fake-fleet.ts";
import { startKubernetesHarness } from "../support/cluster/kubernetes-harness.ts";
import { statementsDuring } from "../support/postgres-statements.ts";
import type { TestServer } from "../support/server.ts";
import {
  type Figure,
  hostLoad,
  median,
  processFigures,
  quantile,
  signed,
  spread,
  tableHead,
  tableRow,
} from "./figures.ts";
import { measurePool } from "./pods-pool.ts";

const LISTS = 200;
const SAMPLE = 10;
const SETTLE_MS = 10_000;
const IDENTITY = {
  ...{ hostname: "bare", environment: "bare", machineId: "0".repeat(32), interface: null },
  ...{ timeUnixMs: 0, seed: new Uint8Array(64) },
};

const { values } = parseArgs({
  options: {
    environments: { type: "string", default: "10000" },
    nodes: { type: "string", default: "100" },
    rounds: { type: "string", default: "20" },
  },
});
const [environments, nodes, rounds] = [values.environments, values.nodes, values.rounds].map(Number) as [
  number,
  number,
  number,
];
const began = performance.now();
const say = (text: string) => console.error(`${((performance.now() - began) / 1000).toFixed(0)} s: ${text}`);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** As each is known: the removal of all takes its time as well. */
function print(...figures: readonly Figure[]): void {
  for (const figure of figures) console.log(tableRow(figure));
}
const all = environments.toLocaleString("en");
/** What is measured once more when all are there takes its own. */
let next = 0;

const residentMb = ({ servers }: FakeFleet) =>
  servers.reduce((sum, { pid }) => sum + processFigures(pid).residentMb, 0);
const cpuSeconds = ({ servers }: FakeFleet) =>
  servers.reduce((sum, { pid }) => sum + processFigures(pid).cpuSeconds, 0);

/** The driver alone makes a machine, tells it who it is, and opens its first terminal. */
async function bootBare(driver: KubernetesDriver): Promise<number> {
  const machineId = MachineId.parse(randomBytes(8).toString("hex"));
  const { memoryMib, cpus } = SIZES[DEFAULT_SIZE];
  const begin = performance.now();
  const spec = { machineId, memoryMib, cpus, diskId: null, environmentId: null, network: null, limits: null };
  const machine = await driver.boot(spec);
  const agent = await machine.agent({ timeoutMs: 20_000 });
  await agent.identify(IDENTITY);
  await agent.openTerminal({ id: TerminalId.parse("a"), cols: 80, rows: 24 });
  const took = performance.now() - begin;
  await machine.stop();
  return took;
}

/** By turns with the driver alone. */
async function overhead(fake: FakeFleet, place: string): Promise<void> {
  const harness = startKubernetesHarness();
  const driver = await harness.makeDriver();
  const [product, floor]: [number[], number[]] = [[], []];
  const before = cpuSeconds(fake);
  for (let round = 0; round < rounds; round++) {
    floor.push(await bootBare(driver));
    const [made] = await makeEnvironments(fake, 1, { from: next++ });
    product.push(made?.tookMs ?? Number.NaN);
  }
  const cpuMs = ((cpuSeconds(fake) - before) / rounds) * 1000;
  await harness.close();
  print(
    {
      name: `create of one until it runs, ${place}, p50 / p99 of ${rounds}`,
      figure: spread(product),
      floor: `${spread(floor)} the driver alone, without server and database`,
      ratio: signed(median(product) - median(floor)),
      target: "p50 ≤ 5 ms above",
    },
    {
      name: `processor time of both servers for such a create, ${place}`,
      figure: `${cpuMs.toFixed(1)} ms`,
      target: "",
    },
  );
}

async function statements(fake: FakeFleet, place: string): Promise<void> {
  const found = await statementsDuring(fake.fleet.cluster, async () => {
    await makeEnvironments(fake, SAMPLE, { from: next, parallel: 1 });
    await pause(1_000);
  });
  next += SAMPLE;
  const waiting = found.filter((text) =>
    text.startsWith('select * from "environments" where "id" = $1 and "owner" = $2'),
  );
  print({
    name: `statements for one create, ${place}`,
    figure: `${((found.length - waiting.length) / SAMPLE).toFixed(1)}`,
    ratio: `${(waiting.length / SAMPLE).toFixed(1)} more of who waits for it`,
    target: "constant",
  });
}

async function lists(fake: FakeFleet, place: string, owner: Owner): Promise<void> {
  const client = new pg.Client(fake.fleet.cluster.url("postgres"));
  await client.connect();
  const [first] = fake.servers;
  const { environments: listed } = await as(first, owner, "GET", "/v1/environments");
  const id = listed[0].owner;
  const [times, floor]: [number[], number[]] = [[], []];
  for (let count = 0; count < LISTS; count++) {
    const server = fake.servers[count % 2] as TestServer;
    let begin = performance.now();
    await as(server, owner, "GET", "/v1/environments");
    times.push(performance.now() - begin);
    begin = performance.now();
    await client.query("select * from environments where owner = $1 order by created_at, id", [id]);
    floor.push(performance.now() - begin);
  }
  await client.end();
  print({
    name: `list of ${listed.length} of ${place}, p50 / p99 of ${LISTS}`,
    figure: spread(times),
    floor: `${spread(floor)} the select`,
    target: "p99 ≤ 30 ms",
  });
}

/** What the library that follows pods keeps of them, in a process that does nothing else. */
async function informerMb(fake: FakeFleet): Promise<number> {
  const program = join(import.meta.dirname, "bare-informer.ts");
  const child = spawn(process.execPath, ["--expose-gc", program, fake.fleet.identity], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(child.stdout, "data");
  await once(child, "exit");
  return Number(String(line));
}

console.log(`${hostLoad()} at the start\n\n${tableHead()}`);
print(await measurePool(rounds));
say("the pool was measured");
await withFakeFleet(nodes, async (fake) => {
  const [server] = fake.servers;
  const [owner] = (await fake.owners(environments + 4 * (rounds + SAMPLE))) as [Owner];
  say("the servers are there");
  const cold = await makeEnvironment(server, owner);
  next++;
  const empty = residentMb(fake);
  print({ name: "the first create of a server", figure: `${cold.tookMs.toFixed(0)} ms`, target: "" });
  await overhead(fake, "with few others");
  await statements(fake, "with few others");
  await lists(fake, "few", owner);
  say(`creates ${all}`);
  const begin = performance.now();
  const count = environments - next;
  const made = await makeEnvironments(fake, count, {
    from: next,
    made: (done) => done % 500 === 0 && say(`${done} run; ${hostLoad()}`),
  });
  next += count;
  const seconds = (performance.now() - begin) / 1000;
  const took = made.map(({ tookMs }) => tookMs);
  print({
    name: `${all} creates, 16 at a time`,
    figure: `${(count / seconds).toFixed(1)} a second`,
    ratio: `ready after ${median(took).toFixed(0)} / ${quantile(took, 0.99).toFixed(0)} ms (p50 / p99)`,
    target: "",
  });
  await pause(SETTLE_MS);
  const full = residentMb(fake);
  const idleBefore = cpuSeconds(fake);
  await pause(SETTLE_MS);
  const idle = (cpuSeconds(fake) - idleBefore) / (SETTLE_MS / 1000);
  // Each server follows all pods.
  const informer = 2 * (await informerMb(fake));
  print(
    {
      name: `memory of both servers with ${all} idle environments`,
      figure: `${full.toFixed(0)} MB`,
      floor: `${empty.toFixed(0)} MB with one, ${informer.toFixed(0)} MB more for the pods that both follow`,
      ratio: `${(((full - empty - informer) * 1000) / environments).toFixed(0)} KB each`,
      target: "≤ 20 KB each",
    },
    {
      name: `processor time of both servers, ${all} idle`,
      figure: `${(idle * 100).toFixed(0)} % of a core`,
      target: "",
    },
  );
  say("lists");
  await lists(fake, all, owner);
  await overhead(fake, `with ${all} others`);
  await statements(fake, `with ${all} others`);
  say("removes all");
});
console.log(`\n${hostLoad()} at the end`);
