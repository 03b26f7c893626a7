import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MachineId, type PlatformError } from "@microterm/protocol";
import { afterAll, beforeAll, expect, it } from "vitest";
import { inCluster, kubectl } from "../../support/cluster/in-cluster.ts";
import { type KubernetesHarness, startKubernetesHarness } from "../../support/cluster/kubernetes-harness.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

let harness: KubernetesHarness;
let folder: TempFolder;
let made = 0;

beforeAll(async () => {
  harness = startKubernetesHarness();
  folder = await makeTempFolder();
});

afterAll(async () => {
  await harness.close();
  await folder.remove();
});

const spec = (over = {}) => ({
  machineId: MachineId.parse(`refused${String(made++).padStart(9, "0")}`),
  ...{ memoryMib: 256, cpus: 1, diskId: null, environmentId: "e", network: null, limits: null, ...over },
});

/** What a boot is refused with; nothing of it is left then. */
async function refusal(over: Parameters<KubernetesHarness["makeDriver"]>[0], specOver = {}): Promise<PlatformError> {
  const driver = await harness.makeDriver(over);
  const wanted = spec(specOver);
  const error = await driver.boot(wanted).then(
    () => expect.fail("it started"),
    (refused: PlatformError) => refused,
  );
  const admin = await harness.makeDriver();
  expect(await admin.leftovers([wanted.machineId])).toEqual([]);
  expect(await harness.pins.get(wanted.machineId)).toBeNull();
  return error;
}

const apply = async (object: unknown): Promise<void> => {
  const file = join(folder.path, "object.json");
  await writeFile(file, JSON.stringify(object));
  await kubectl("apply", "--filename", file);
};

it("says that there is no such RuntimeClass", async () => {
  const error = await refusal({ runtimeClass: "no-such" });
  expect([error.code, error.message]).toEqual(["MACHINE_BOOT_FAILED", expect.stringContaining('"no-such" not found')]);
});

it("says which image cannot be pulled, without waiting for it", async () => {
  const error = await refusal({ image: "registry.invalid/no-such:1" });
  expect([error.code, error.message]).toEqual([
    "MACHINE_BOOT_FAILED",
    expect.stringContaining("registry.invalid/no-such"),
  ]);
});

it("says by which quota of the cluster's it is refused, in the cluster's words", async () => {
  await apply({
    ...{ apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "small" } },
    spec: { hard: { "requests.memory": "128Mi" } },
  });
  try {
    // The controller counts what there is before it lets anything in.
    await expect
      .poll(() => kubectl("get", "resourcequota", "small", "--output", "jsonpath={.status.hard}"))
      .not.toBe("");
    const error = await refusal({});
    expect([error.code, error.message]).toEqual(["HOST_OUT_OF_MEMORY", expect.stringMatching(/quota.*small.*128Mi/)]);
  } finally {
    await kubectl("delete", "resourcequota", "small");
  }
});

it("says that no node has room", async () => {
  const error = await refusal({ runningMs: 3000 }, { cpus: 64 });
  expect([error.code, error.message]).toEqual(["MACHINE_BOOT_FAILED", expect.stringContaining("Insufficient cpu")]);
});

it("has room for more where CPUs are promised several times, and the same memory for each", async () => {
  const driver = await harness.makeDriver({ cpuOvercommit: 8 });
  const wanted = spec({ cpus: 64 });
  const machine = await driver.boot(wanted);
  const said = await kubectl("get", "pod", `mt-${wanted.machineId}`, "--output", "json");
  const { status, spec: made } = JSON.parse(said);
  expect([status.qosClass, made.containers[0].resources]).toEqual([
    "Burstable",
    { requests: { cpu: "8", memory: "256Mi" }, limits: { cpu: "64", memory: "256Mi" } },
  ]);
  await machine.stop();
});

it("does not start without the right to make policies, and leaves nothing", async () => {
  const rule = `[{"op":"remove","path":"/rules/3"}]`;
  const before = await kubectl("get", "role", "microterm-server", "--output", "json");
  await kubectl("patch", "role", "microterm-server", "--type", "json", "--patch", rule);
  const driver = await harness.makeDriver();
  const wanted = spec();
  try {
    await expect(driver.boot(wanted)).rejects.toMatchObject({ message: expect.stringContaining("networkpolicies") });
  } finally {
    await apply({ ...JSON.parse(before), metadata: { name: "microterm-server" } });
  }
  expect(await kubectl("get", "pods", "--output", "name")).toBe("");
  // Whether a policy is left could not be told without that right: it is known until somebody could look.
  expect(await driver.list()).toMatchObject([{ machineId: wanted.machineId, alive: false }]);
  await driver.remove(wanted.machineId);
  expect(await driver.list()).toEqual([]);
});

/** What making a disk, or a machine with one, is refused with; nothing of it is left then. */
async function refusalOfDisk(storageClass: string | null, quota?: object): Promise<PlatformError> {
  const driver = await harness.makeDriver({ volumes: { storageClass }, runningMs: 3000 });
  const wanted = spec({ diskId: "refused" });
  if (quota !== undefined) {
    const small = { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "small" } };
    await apply({ ...small, spec: { hard: quota } });
    await expect
      .poll(() => kubectl("get", "resourcequota", "small", "--output", "jsonpath={.status.hard}"))
      .not.toBe("");
  }
  const started = driver.createDisk("refused", { sizeMib: 64 }).then(() => driver.boot(wanted));
  const error = await started.then(
    () => expect.fail("it started"),
    (refused: PlatformError) => refused,
  );
  await driver.removeDisk("refused");
  expect(await driver.leftovers([wanted.machineId, "refused"])).toEqual([]);
  if (quota !== undefined) await kubectl("delete", "resourcequota", "small");
  return error;
}

it("says that there is no such StorageClass, and no default one", async () => {
  const error = await refusalOfDisk("no-such");
  expect([error.code, error.message]).toEqual(["MACHINE_BOOT_FAILED", expect.stringContaining('"no-such" not found')]);
  const isDefault = (value: string) =>
    kubectl(
      "annotate",
      "--overwrite",
      "storageclass",
      "folders",
      `storageclass.kubernetes.io/is-default-class=${value}`,
    );
  await isDefault("false");
  try {
    await expect.poll(async () => (await refusalOfDisk(null)).message).toContain("no default StorageClass");
  } finally {
    await isDefault("true");
  }
});

it("says by which quota a volume is refused, in the cluster's words", async () => {
  const error = await refusalOfDisk("folders", { "requests.storage": "32Mi" });
  expect([error.code, error.message]).toEqual(["HOST_OUT_OF_DISK", expect.stringMatching(/quota.*small.*32Mi/)]);
});

it.each([
  ["at once", "Immediate", "microterm.test/none", /unbound immediate PersistentVolumeClaims.*is Pending/],
  ["for its first pod", "WaitForFirstConsumer", "kubernetes.io/no-provisioner", /available persistent volumes to bind/],
])("says that a volume is not there, of a class that makes them %s", async (_, mode, provisioner, words) => {
  const parts = { provisioner, volumeBindingMode: mode, metadata: { name: "empty" } };
  await apply({ apiVersion: "storage.k8s.io/v1", kind: "StorageClass", ...parts });
  try {
    const error = await refusalOfDisk("empty");
    expect([error.code, error.message]).toEqual(["MACHINE_BOOT_FAILED", expect.stringMatching(words)]);
  } finally {
    await kubectl("delete", "storageclass", "empty");
  }
});

it("says that credentials are not taken any more", async () => {
  const cluster = inCluster();
  const text = await kubectl("config", "view", "--raw", "--kubeconfig", cluster?.kubeConfigFile ?? "");
  const kubeConfigFile = join(folder.path, "expired");
  await writeFile(kubeConfigFile, text.replace(/token: .*/, "token: expired"));
  const driver = await harness.makeDriver({ kubeConfigFile });
  await expect(driver.list()).rejects.toMatchObject({
    code: "HOST_DAEMON_UNAVAILABLE",
    message: expect.stringContaining("401"),
  });
});

it("takes no pod for its own that others have given its labels", async () => {
  const driver = await harness.makeDriver();
  const wanted = spec();
  const machine = await driver.boot(wanted);
  const [labels, image] = await Promise.all([
    kubectl("get", "pod", `mt-${wanted.machineId}`, "--output", "jsonpath={.metadata.labels}"),
    inCluster()?.image,
  ]);
  const containers = [{ name: "c", image, command: ["sleep", "1000"] }];
  await apply({
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name: "forged", labels: JSON.parse(labels) } },
    spec: { containers, terminationGracePeriodSeconds: 0 },
  });
  expect((await driver.list()).map(({ machineId }) => machineId)).toEqual([wanted.machineId]);
  const forged = MachineId.parse("forged0000000000");
  await expect(driver.adopt(forged)).rejects.toMatchObject({ code: "MACHINE_BOOT_FAILED" });
  await kubectl("delete", "pod", "forged", "--grace-period=0", "--force");
  await machine.stop();
});

it("finds a machine of which nothing but the pin was made, and removes it", async () => {
  const driver = await harness.makeDriver();
  const { machineId } = spec();
  await harness.pins.set(machineId, "0".repeat(64));
  expect(await driver.list()).toMatchObject([{ machineId, alive: false }]);
  await driver.remove(machineId);
  expect(await driver.list()).toEqual([]);
});
