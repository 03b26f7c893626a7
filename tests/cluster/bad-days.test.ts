/** What happens to a cluster, and in it, beside a server that runs. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { kubectl } from "../../support/cluster/in-cluster.ts";
import { killProgram } from "../../support/cluster/programs.ts";
import { startServer, type TestServer } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

let server: TestServer;
let folder: TempFolder;

beforeAll(async () => {
  folder = await makeTempFolder();
  server = await startServer();
});

afterAll(async () => {
  await server?.dispose();
  await folder.remove();
  expect(await kubectl("get", "pods,secrets,networkpolicies", "--output", "name")).toBe("");
});

const look = (id: string) => server.ok("GET", `/v1/environments/${id}`);
const remove = (id: string) => server.ok("DELETE", `/v1/environments/${id}`);
const pods = async (...which: readonly string[]): Promise<readonly string[]> =>
  (await kubectl("get", "pods", "--output", "name", ...which)).split("\n").filter((name) => name !== "");
const podsOf = (id: string) => pods("--selector", `microterm.dev/environment=${id}`);
const podOf = async (id: string): Promise<string> => (await podsOf(id))[0] ?? "";

/** Until it runs, or has failed. */
async function settled(id: string): Promise<string> {
  await expect.poll(async () => (await look(id)).state).not.toBe("creating");
  return (await look(id)).state;
}

async function restarted(id: string): Promise<void> {
  await server.ok("POST", `/v1/environments/${id}/start`);
  await expect.poll(async () => (await look(id)).state).toBe("running");
  const { stdout } = await server.ok("POST", `/v1/environments/${id}/exec`, { command: ["echo", "there"] });
  expect(stdout).toContain("there");
}

it.each(["at once", "once their pods are there"])(
  "creates after which the API server is killed (%s) are refused, or come to run, each in one pod",
  async (when) => {
    const names = ["one", "two", "three", "four"];
    const asked = Promise.all(names.map((name) => server.call("POST", "/v1/environments", { body: { name } })));
    if (when !== "at once") await expect.poll(() => pods()).toHaveLength(names.length);
    killProgram("kube-apiserver");
    const refused = (await asked).filter(({ status }) => status !== 201);
    // It is started again; where all were refused nobody has waited for it yet.
    await expect.poll(() => kubectl("get", "--raw", "/readyz").catch(String)).toMatch(/^ok/);
    for (const { json } of refused) expect(json).toMatchObject({ code: "HOST_DAEMON_UNAVAILABLE", retryable: true });
    const { environments } = await server.ok("GET", "/v1/environments");
    expect(environments).toHaveLength(names.length - refused.length);
    for (const { id } of environments) {
      expect([await settled(id), (await look(id)).reason]).toEqual(["running", null]);
      expect(await podsOf(id)).toHaveLength(1);
    }
    expect(await pods()).toHaveLength(environments.length);
    for (const { id } of environments) await remove(id);
  },
);

it("an environment whose node is drained has failed, whatever its pod said last, and starts elsewhere", async () => {
  const { id } = await server.environment("drained");
  const drain = ["drain", "node", "--force", "--delete-emptydir-data"];
  await kubectl(...drain, "--pod-selector", `microterm.dev/environment=${id}`);
  await expect.poll(async () => (await look(id)).state).toBe("failed");
  expect((await look(id)).reason).toMatch(/pod was deleted: EvictionByEvictionAPI/);
  await kubectl("uncordon", "node");
  await restarted(id);
  await remove(id);
});

it("an environment whose pod is deleted by hand while it is made is made once more", async () => {
  await kubectl("cordon", "node");
  const { id } = await server.ok("POST", "/v1/environments", { name: "by-hand" });
  await expect.poll(() => podOf(id)).not.toBe("");
  await kubectl("delete", "--wait=false", await podOf(id));
  await kubectl("uncordon", "node");
  expect(await settled(id)).toBe("running");
  await remove(id);
});

it("finds as it starts what people have done to pods meanwhile: one deleted, one made for another's environment, one labelled as it", async () => {
  const [gone, claimed, labelled] = [
    await server.environment("gone"),
    await server.environment("claimed"),
    await server.environment("labelled"),
  ];
  const [goneIn, own, other] = [await podOf(gone.id), await podOf(claimed.id), await podOf(labelled.id)];
  await server.kill("SIGKILL");
  await kubectl("delete", goneIn);
  await kubectl("create", "--filename", await secondPod(own));
  await kubectl("label", other, `microterm.dev/environment=${claimed.id}`, "--overwrite");
  server = await startServer({ data: server.data });
  expect(await settled(gone.id)).toBe("failed");
  await restarted(gone.id);
  for (const { id } of [claimed, labelled]) expect((await look(id)).state).toBe("running");
  expect([...(await podsOf(claimed.id))].sort()).toEqual([own, other].sort());
  await remove(claimed.id);
  expect((await look(labelled.id)).state).toBe("running");
  expect(await pods()).toEqual(expect.arrayContaining([other]));
  for (const { id } of [gone, labelled]) await remove(id);
});

/** The file of a pod like that one, of another machine. */
async function secondPod(pod: string): Promise<string> {
  const text = (await kubectl("get", pod, "--output", "json")).replaceAll(
    pod.replace("pod/mt-", ""),
    "second0000000000",
  );
  const { metadata, spec } = JSON.parse(text);
  const { name, labels, annotations } = metadata;
  const second = {
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name, labels, annotations } },
    spec: { ...spec, nodeName: undefined },
  };
  const file = join(folder.path, "second.json");
  await writeFile(file, JSON.stringify(second));
  return file;
}
