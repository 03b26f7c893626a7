import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Check } from "../../packages/setup/src/doctor/check.ts";
import { inCluster, kubectl } from "../../support/cluster/in-cluster.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

const MAIN = join(import.meta.dirname, "../../packages/setup/src/main.ts");
const cluster = inCluster();

let folder: TempFolder;

beforeAll(async () => {
  folder = await makeTempFolder();
});

afterAll(async () => {
  await folder.remove();
});

/** What it says of the cluster: `name status`, each with its words. */
async function doctor(over: Readonly<Record<string, string>> = {}): Promise<ReadonlyMap<string, string>> {
  const options = { kubeconfig: cluster?.kubeConfigFile ?? "", image: cluster?.image ?? "", ...over };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const command = [
    process.execPath,
    MAIN,
    "doctor",
    "--data",
    folder.path,
    "-o",
    "json",
    "--driver",
    "kubernetes",
    ...args,
  ];
  const { stdout, stderr } = await runCommand(command);
  expect(stderr).toBe("");
  const { checks } = JSON.parse(stdout) as { checks: readonly Check[] };
  return new Map(checks.map(({ name, status, text }) => [`${name} ${status}`, text]));
}

const apply = async (object: unknown): Promise<void> => {
  const file = join(folder.path, "object.json");
  await writeFile(file, JSON.stringify(object));
  await kubectl("apply", "--filename", file);
};

it("finds all that a server needs, and that pods of the class 'kata' are containers here", async () => {
  const said = await doctor();
  expect([...said.keys()]).toEqual([
    ...["system ok", "disk ok", "cluster ok", "rights ok", "runtime class ok", "quota ok"],
    ...["pods ok", "policies ok", "isolation warn", "database ok", "server warn"],
  ]);
  expect(said.get("cluster ok")).toMatch(/^Kubernetes v1\.\d+\.\d+ at https:/);
  expect(said.get("isolation warn")).toContain("they run on their node's kernel");
});

it("names the rights that are missing", async () => {
  const before = await kubectl("get", "role", "microterm-server", "--output", "json");
  const rule = `[{"op":"replace","path":"/rules/2/verbs","value":["create"]}]`;
  await kubectl("patch", "role", "microterm-server", "--type", "json", "--patch", rule);
  try {
    await expect.poll(async () => (await doctor()).get("rights fail")).toBe("missing: secrets delete");
  } finally {
    await apply({ ...JSON.parse(before), metadata: { name: "microterm-server" } });
  }
});

it("names a RuntimeClass that is missing, and a quota without room", async () => {
  expect((await doctor({ "runtime-class": "no-such" })).get("runtime class fail")).toContain('"no-such" not found');
  const quota = { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "small" } };
  await apply({ ...quota, spec: { hard: { "requests.memory": "128Mi" } } });
  try {
    await expect.poll(async () => (await doctor()).get("quota fail")).toContain("small");
  } finally {
    await kubectl("delete", "resourcequota", "small");
  }
});

it("looks whether homes can be kept, where they shall be", async () => {
  expect((await doctor({ "storage-class": "cluster-default" })).get("volumes ok")).toContain("'folders'");
  expect((await doctor({ "storage-class": "no-such" })).get("volumes fail")).toContain('"no-such" not found');
});

it("names a cluster that is not there, credentials that it does not take, and a kubeconfig that is none", async () => {
  const text = await kubectl("config", "view", "--raw", "--kubeconfig", cluster?.kubeConfigFile ?? "");
  const kubeconfig = join(folder.path, "kubeconfig");
  const withText = async (replaced: string) => {
    await writeFile(kubeconfig, replaced);
    return (await doctor({ kubeconfig })).get("cluster fail");
  };
  expect(await withText(text.replace(/:6443/, ":6444"))).toContain("does not answer");
  expect(await withText(text.replace(/token: .*/, "token: expired"))).toContain("401");
  expect(await withText("{")).toContain("kubeconfig cannot be used");
});
