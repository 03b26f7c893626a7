/** A server that was taken over while it stood still changes nothing in the cluster when it goes on. */
import type { Machine } from "@microterm/core";
import { runCommand } from "@microterm/host";
import { MachineId } from "@microterm/protocol";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { kubectl } from "../../support/cluster/in-cluster.ts";
import { type KubernetesHarness, startKubernetesHarness } from "../../support/cluster/kubernetes-harness.ts";

type Driver = Awaited<ReturnType<KubernetesHarness["makeDriver"]>>;
const machineId = MachineId.parse("fenced0000000000");
const GATEWAY = "10.97.0.1";
/** Of another host beside the cluster, which is this one here as well. */
const OTHER = "10.97.0.3";
const MOVED = { code: "ENVIRONMENT_MOVED" };

let harness: KubernetesHarness;
let former: Driver;
let holder: Driver;
let formers: Machine;
let holders: Machine;

beforeAll(async () => {
  harness = startKubernetesHarness();
  [former, holder] = [await harness.makeDriver(), await harness.makeDriver()];
  formers = await former.boot({
    ...{ machineId, memoryMib: 256, cpus: 1, diskId: null, environmentId: "e", network: null, limits: null },
  });
  await former.network.setPolicy(machineId, { mode: "open" });
  holders = await holder.adopt(machineId, { epoch: 1 });
});

afterAll(() => harness.close());

/** Of the namespace that this process is in alone. */
async function onThisHost(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await runCommand(["ip", ...args]);
  if (code !== 0) throw new Error(stderr);
}

/** The pod and its policy, as they were changed last. */
const revisions = () =>
  kubectl("get", "pods,networkpolicies", "--output", "jsonpath={.items[*].metadata.resourceVersion}");

it("of both servers the one that has the machine sets its policy", async () => {
  await holder.network.setPolicy(machineId, { mode: "none" });
  const before = await revisions();
  await expect(former.network.setPolicy(machineId, { mode: "open" })).rejects.toMatchObject(MOVED);
  expect(await revisions()).toBe(before);
});

it("the former one neither removes it nor has it again", async () => {
  const before = await revisions();
  await expect(formers.stop()).rejects.toMatchObject(MOVED);
  await expect(former.adopt(machineId, { epoch: 0 })).rejects.toMatchObject(MOVED);
  expect(await revisions()).toBe(before);
  await holders.agent({ timeoutMs: 60_000 });
});

it("the one that has it goes on where others have written another epoch there", async () => {
  await kubectl("annotate", "pods,networkpolicies", `mt-${machineId}`, "microterm.dev/epoch=98.forged", "--overwrite");
  await holder.network.setPolicy(machineId, { mode: "open" });
  await expect(former.network.setPolicy(machineId, { mode: "open" })).rejects.toMatchObject(MOVED);
});

it("who takes it over from another host is let in alone, also where others have changed its annotations", async () => {
  await kubectl("annotate", "pods,networkpolicies", `mt-${machineId}`, "microterm.dev/epoch=99.forged", "--overwrite");
  await onThisHost("address", "add", `${OTHER}/32`, "dev", "outside1");
  await onThisHost("route", "change", "default", "via", GATEWAY, "src", OTHER);
  onTestFinished(async () => {
    await onThisHost("route", "change", "default", "via", GATEWAY);
    await onThisHost("address", "delete", `${OTHER}/32`, "dev", "outside1");
  });
  const again = await harness.makeDriver();
  const adopted = await again.adopt(machineId, { epoch: 2 });
  await again.network.setPolicy(machineId, { mode: "open" });
  await adopted.agent({ timeoutMs: 60_000 });
  const allowed = "jsonpath={.spec.ingress[*].from[*].ipBlock.cidr}";
  expect(await kubectl("get", "networkpolicy", `mt-${machineId}`, "--output", allowed)).toBe(`${OTHER}/32`);
  await adopted.stop();
  expect(await again.leftovers([machineId])).toEqual([]);
});

it("a start that was removed while its server stood still does not go on", async () => {
  const id = MachineId.parse("fenced0000000001");
  // Its pin goes with what else there is of it, by who has taken over.
  const set = async (...pin: Parameters<typeof harness.pins.set>) => {
    await harness.pins.set(...pin);
    await harness.pins.remove(pin[0]);
  };
  const driver = await harness.makeDriver({ pins: { ...harness.pins, set } });
  const spec = {
    machineId: id,
    memoryMib: 256,
    cpus: 1,
    diskId: null,
    environmentId: "e",
    network: null,
    limits: null,
  };
  await expect(driver.boot(spec)).rejects.toMatchObject(MOVED);
  expect(await driver.leftovers([id])).toEqual([]);
});
