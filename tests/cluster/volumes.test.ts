import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { kubectl } from "../../support/cluster/in-cluster.ts";
import { startServer, type TestServer } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

const VOLUMES = ["--storage-class", "folders"];

let folder: TempFolder;

beforeAll(async () => {
  folder = await makeTempFolder();
});

afterAll(async () => {
  await folder.remove();
  // The cluster removes volumes some moments after their claims.
  const left = () => kubectl("get", "pods,persistentvolumeclaims,persistentvolumes", "--output", "name");
  await vi.waitFor(async () => expect(await left()).toBe(""), { timeout: 30_000 });
});

const namesOf = async (kind: string): Promise<readonly string[]> =>
  (await kubectl("get", kind, "--output", "jsonpath={.items[*].metadata.name}")).split(" ").filter(Boolean);

async function run(server: TestServer, id: string, ...command: readonly string[]): Promise<string> {
  const { exit, stdout } = await server.ok("POST", `/v1/environments/${id}/exec`, { command });
  expect(exit.code).toBe(0);
  return stdout;
}

const stateOf = async (server: TestServer, id: string): Promise<string> =>
  (await server.ok("GET", `/v1/environments/${id}`)).state;

async function stopAndStart(server: TestServer, id: string): Promise<void> {
  await server.ok("POST", `/v1/environments/${id}/stop`);
  await expect.poll(() => stateOf(server, id)).toBe("stopped");
  expect(await namesOf("pods")).toEqual([]);
  expect(await namesOf("persistentvolumeclaims")).toHaveLength(1);
  await server.ok("POST", `/v1/environments/${id}/start`);
  await expect.poll(() => stateOf(server, id)).toBe("running");
}

it("stop keeps the home on a volume, start has it again, pause says so, and nothing outlives a destroy", async () => {
  const server = await startServer({ args: VOLUMES });
  onTestFinished(async () => {
    await server.dispose();
  });
  const { id } = await server.environment();
  // As on any new disk.
  expect(await run(server, id, "sh", "-c", "cd && ls -A && stat -c '%U %a' ~ ~/.bashrc && stat -c %a /home")).toMatch(
    /\.bashrc\n(?:.*\n)*dev 755\ndev 644\n755\n$/,
  );
  await run(server, id, "sh", "-c", "echo kept >~/kept.txt");
  await stopAndStart(server, id);
  expect(await run(server, id, "cat", "/home/dev/kept.txt")).toBe("kept\n");

  const paused = await server.call("POST", `/v1/environments/${id}/pause`);
  expect([paused.json.code, paused.json.detail]).toEqual([
    "UNSUPPORTED",
    expect.stringContaining("stop it, which keeps its disk, and start it again"),
  ]);
  const { removed, left } = await server.ok("DELETE", `/v1/environments/${id}`);
  expect(left).toEqual([]);
  expect(removed.diskBytes).toBeGreaterThan(0);
  expect(await namesOf("persistentvolumeclaims")).toEqual([]);
});

it("a pod of the pool has its volume already, which is then its environment's", async () => {
  const server = await startServer({ args: [...VOLUMES, "--pool", "1"] });
  onTestFinished(async () => {
    await server.dispose();
  });
  const ready = async () => (await server.ok("GET", "/v1/host")).pool.ready;
  await expect.poll(ready).toBe(1);
  const [volume] = await namesOf("persistentvolumeclaims");
  const { id } = await server.environment();
  await run(server, id, "sh", "-c", "echo kept >~/kept.txt");
  await server.ok("POST", `/v1/environments/${id}/stop`);
  await expect.poll(() => stateOf(server, id)).toBe("stopped");
  expect(await namesOf("persistentvolumeclaims")).toContain(volume);
  await server.ok("POST", `/v1/environments/${id}/start`);
  await expect.poll(() => stateOf(server, id)).toBe("running");
  expect(await run(server, id, "cat", "/home/dev/kept.txt")).toBe("kept\n");
  const used = ["--output", "jsonpath={.items[*].spec.volumes[*].persistentVolumeClaim.claimName}"];
  expect(await kubectl("get", "pods", ...used)).toContain(volume);
  await server.ok("DELETE", `/v1/environments/${id}`);
  expect(await namesOf("persistentvolumeclaims")).not.toContain(volume);
  // What it makes while it ends is left for the next server.
  await expect.poll(ready).toBe(1);
});

it("a server removes claims that no row owns, and none that only bears its labels", async () => {
  const server = await startServer({ args: VOLUMES });
  const { id } = await server.environment();
  const [own = ""] = (await namesOf("persistentvolumeclaims")).filter((name) => name.endsWith(id));
  const claim = JSON.parse(await kubectl("get", "persistentvolumeclaim", own, "--output", "json"));
  const labels = { ...claim.metadata.labels, "microterm.dev/disk": "orphan" };
  const orphan = own.replace(id, "orphan");
  // Under another installation's name, whatever its labels say.
  const forged = orphan.replace(labels["microterm.dev/installation"], "0".repeat(16));
  for (const name of [orphan, forged]) {
    const file = join(folder.path, "claim.json");
    const { accessModes, resources } = claim.spec;
    const spec = { accessModes, resources, storageClassName: "folders" };
    const object = { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name, labels }, spec };
    await writeFile(file, JSON.stringify(object));
    await kubectl("apply", "--filename", file);
  }
  await server.kill("SIGKILL");
  const next = await startServer({ data: server.data, args: VOLUMES });
  onTestFinished(async () => {
    await next.dispose();
    await kubectl("delete", "persistentvolumeclaim", forged, "--ignore-not-found");
  });
  await expect.poll(() => namesOf("persistentvolumeclaims")).toEqual([forged, own].sort());
  expect(await stateOf(next, id)).toBe("running");
});
