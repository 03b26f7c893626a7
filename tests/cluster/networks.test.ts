import { writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import type { Machine } from "@microterm/core";
import { runInGuest } from "@microterm/core/testing";
import type { KubernetesDriver } from "@microterm/drivers";
import { runCommand } from "@microterm/host";
import { MachineId } from "@microterm/protocol";
import { afterAll, beforeAll, expect, it } from "vitest";
import { inCluster, kubectl } from "../../support/cluster/in-cluster.ts";
import { type KubernetesHarness, startKubernetesHarness } from "../../support/cluster/kubernetes-harness.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

const AGENT_PORT = 7070;
/** Of what this host and the neighbour have for whoever may come. */
const OPEN_PORT = 8000;
const HOST = "10.97.0.2";
/** Another host outside of the cluster, beside the server's. */
const STRANGER = "10.97.0.3";
/** Of the internet, which is this host. */
const PUBLIC = "9.9.9.9";

let folder: TempFolder;
let harness: KubernetesHarness;
let driver: KubernetesDriver;
let machine: Machine;
let address: string;
const listener = createServer((socket) => socket.destroy());

beforeAll(async () => {
  folder = await makeTempFolder();
  harness = startKubernetesHarness();
  driver = await harness.makeDriver();
  const machineId = MachineId.parse("networks00000000");
  for (const own of [STRANGER, PUBLIC]) await onThisHost("address", "add", `${own}/32`);
  listener.listen(OPEN_PORT, "0.0.0.0");
  [machine] = await Promise.all([
    driver.boot({
      ...{ machineId, memoryMib: 256, cpus: 1, diskId: null, environmentId: "e", network: null, limits: null },
    }),
    startNeighbour(),
  ]);
  address = await addressOf(`mt-${machineId}`);
});

afterAll(async () => {
  await Promise.all([
    machine?.stop(),
    kubectl("delete", "pod", "neighbour", "--grace-period=0", "--force", "--ignore-not-found"),
  ]);
  listener.close();
  for (const own of [STRANGER, PUBLIC]) await onThisHost("address", "delete", `${own}/32`);
  await harness.close();
  await folder.remove();
});

/** Of the namespace that this process is in alone. */
async function onThisHost(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await runCommand(["ip", ...args, "dev", "outside1"]);
  if (code !== 0) throw new Error(stderr);
}

const addressOf = (pod: string): Promise<string> => kubectl("get", "pod", pod, "--output", "jsonpath={.status.podIP}");

/** A pod of others', without a policy. */
async function startNeighbour(): Promise<void> {
  const container = {
    name: "c",
    image: inCluster()?.image,
    command: ["python3", "-m", "http.server", String(OPEN_PORT)],
  };
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "neighbour" }, spec: { containers: [container] } };
  const file = join(folder.path, "neighbour.json");
  await writeFile(file, JSON.stringify(pod));
  await kubectl("apply", "--filename", file);
  await kubectl("wait", "--for=condition=Ready", "pod/neighbour", "--timeout=60s");
}

/** Whether a connection comes to be: from here, from `localAddress` where that is given. */
const connects = (host: string, port: number, localAddress?: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }), timeout: 3000 });
    const end = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.once("connect", () => end(true)).once("error", () => end(false));
    socket.once("timeout", () => end(false));
  });

/** A program for bash that says whether it has connected. */
const attempt = (host: string, port: number) =>
  `timeout 3 bash -c 'exec 3<>/dev/tcp/${host}/${port}' 2>/dev/null && echo yes || echo no`;

async function neighbourConnects(host: string, port: number): Promise<string> {
  return (await kubectl("exec", "neighbour", "--", "sh", "-c", attempt(host, port))).trim();
}

async function guestConnects(host: string, port: number): Promise<string> {
  const agent = await machine.agent({ timeoutMs: 10_000 });
  const { stdout } = await runInGuest(agent, ["sh", "-c", attempt(host, port)]);
  return String(stdout).trim();
}

it("is reached by its server, and by no pod and no other host", async () => {
  await expect.poll(() => neighbourConnects(address, AGENT_PORT)).toBe("no");
  await expect.poll(() => connects(address, AGENT_PORT, STRANGER)).toBe(false);
  expect(await connects(address, AGENT_PORT)).toBe(true);
  // The way is there: what is refused is refused by the policy.
  const neighbour = await addressOf("neighbour");
  expect(await connects(neighbour, OPEN_PORT, STRANGER)).toBe(true);
});

it("is reached by nobody else once its policy was changed", async () => {
  await driver.network.setPolicy(machine.id, { mode: "open" });
  // The plugin has the change when a public address is let out.
  await expect.poll(() => guestConnects(PUBLIC, OPEN_PORT)).toBe("yes");
  expect(await neighbourConnects(address, AGENT_PORT)).toBe("no");
  expect(await connects(address, AGENT_PORT, STRANGER)).toBe(false);
  expect(await connects(address, AGENT_PORT)).toBe(true);
  await driver.network.setPolicy(machine.id, { mode: "none" });
  await expect.poll(() => guestConnects(PUBLIC, OPEN_PORT)).toBe("no");
});

it("reaches no pod, and no other host, without a policy that says so", async () => {
  const neighbour = await addressOf("neighbour");
  expect(await neighbourConnects(HOST, OPEN_PORT)).toBe("yes");
  for (const host of [neighbour, HOST]) expect(await guestConnects(host, OPEN_PORT)).toBe("no");
});
