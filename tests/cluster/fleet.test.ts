/** Two servers outside of the cluster, which share it. */
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { kubectl } from "../../support/cluster/in-cluster.ts";
import { whilePaused } from "../../support/cluster/programs.ts";
import { openFleet, type TestFleet } from "../../support/fleet.ts";
import type { TestServer } from "../../support/server.ts";

const POOL = 2;
let fleet: TestFleet;
let a: TestServer;
let b: TestServer;

beforeAll(async () => {
  fleet = await openFleet();
});

afterAll(async () => {
  expect(await fleet?.dispose()).toEqual([]);
  expect(await kubectl("get", "pods,networkpolicies", "--output", "name")).toBe("");
});

const ready = async (server: TestServer): Promise<number> => (await server.ok("GET", "/v1/host")).pool.ready;
const uids = async (...which: readonly string[]): Promise<readonly string[]> => {
  const text = await kubectl("get", "pods", ...which, "--output", "jsonpath={.items[*].metadata.uid}");
  return text.split(" ").filter((uid) => uid !== "");
};

async function said(server: TestServer, id: string, ...command: readonly string[]): Promise<string> {
  return (await server.ok("POST", `/v1/environments/${id}/exec`, { command })).stdout;
}

it("a server that starts leaves the pods alone that its peer's pool waits for", async () => {
  a = await fleet.start({ args: ["--pool", String(POOL)] });
  await expect.poll(() => ready(a)).toBe(POOL);
  let waiting: readonly string[] = [];
  await whilePaused("kube-scheduler", async () => {
    const { id } = await a.environment("first");
    await expect.poll(() => uids()).toHaveLength(POOL + 1);
    waiting = await uids();
    b = await fleet.start({ args: ["--pool", String(POOL)] });
    await expect.poll(() => uids()).toHaveLength(POOL + 2);
    expect(await uids()).toEqual(expect.arrayContaining([...waiting]));
    expect(await said(b, id, "echo", "there")).toBe("there\n");
  });
  for (const server of [a, b]) await expect.poll(() => ready(server)).toBe(POOL);
  expect(await uids()).toEqual(expect.arrayContaining([...waiting]));
});

it("two servers that claim at once claim different pods", async () => {
  const asked = [a, b].flatMap((server, at) => ["x", "y", "z"].map((name) => server.environment(`${name}${at}`)));
  const made = await Promise.all(asked);
  const ids = await Promise.all(made.map(({ id }) => said(a, id, "cat", "/etc/machine-id")));
  expect(new Set(ids).size).toBe(made.length);
  for (const server of [a, b]) await expect.poll(() => ready(server)).toBe(POOL);
  expect(await uids()).toHaveLength(1 + made.length + 2 * POOL);
  for (const { id } of made) await a.ok("DELETE", `/v1/environments/${id}`);
});

it("a server that is frozen in the middle of changes changes nothing when it goes on after its takeover", async () => {
  const { id } = await a.environment("frozen");
  const patch = (server: TestServer, mode: string) =>
    server.call("PATCH", `/v1/environments/${id}`, { body: { network: { mode } } });
  const late = ["open", "none", "open", "none", "open"].map((mode) => patch(a, mode).catch(() => null));
  await Promise.race(late);
  process.kill(a.pid, "SIGSTOP");
  onTestFinished(() => void a.kill("SIGCONT"));
  await expect.poll(async () => (await patch(b, "none")).status).toBe(200);
  for (const taken of [id, "first"]) {
    await expect.poll(() => said(b, taken, "echo", "there").catch(() => "")).toBe("there\n");
  }
  const epochs = await kubectl("get", "pods", "--output", "jsonpath={..metadata.annotations.microterm\\.dev/epoch}");
  expect(epochs.split(" ").filter((epoch) => !epoch.startsWith("0."))).toHaveLength(2);
  const policies = async () =>
    (await kubectl("get", "networkpolicies", "--output", "jsonpath={.items[*].metadata.resourceVersion}")).split(" ");
  // Those of the other's pool go with it.
  await expect.poll(() => policies()).toHaveLength(2 + POOL);
  const [before, left] = [await policies(), await uids()];
  process.kill(a.pid, "SIGCONT");
  expect(await a.ended).toBe(1);
  await Promise.all(late);
  expect([await policies(), await uids()]).toEqual([before, left]);
  expect(await said(b, id, "echo", "there")).toBe("there\n");
});
