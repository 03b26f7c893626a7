import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { MachineId } from "@microterm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { inCluster, kubectl } from "../../support/cluster/in-cluster.ts";
import { startKubernetesHarness } from "../../support/cluster/kubernetes-harness.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";

/** A way to the API server, on which what is open at a time can go dead. */
async function openWay(server: URL) {
  const sockets = new Set<Socket>();
  const way = createServer((client) => {
    const upstream = connect(Number(server.port), server.hostname);
    for (const one of [client, upstream]) {
      sockets.add(one);
      one.on("error", () => {}).on("close", () => sockets.delete(one));
    }
    client.pipe(upstream).on("close", () => client.destroy());
    upstream.pipe(client).on("close", () => upstream.destroy());
  });
  way.listen(0, "127.0.0.1");
  await once(way, "listening");
  onTestFinished(() => {
    for (const one of sockets) one.destroy();
    way.close();
  });
  return {
    // Its certificate is for this address as well.
    url: `https://127.0.0.1:${(way.address() as AddressInfo).port}`,
    /** Nothing comes through any more, and no end either. */
    goDead() {
      for (const one of sockets) one.unpipe().pause();
    },
  };
}

it("hears that a pod has gone although the watch of pods has ended without a word", async () => {
  const folder = await makeTempFolder();
  onTestFinished(() => folder.remove());
  const text = await kubectl("config", "view", "--raw", "--kubeconfig", inCluster()?.kubeConfigFile ?? "");
  const server = /server: (\S+)/.exec(text)?.[1] ?? "";
  const way = await openWay(new URL(server));
  const kubeConfigFile = join(folder.path, "kubeconfig");
  await writeFile(kubeConfigFile, text.replace(server, way.url));
  const harness = startKubernetesHarness();
  onTestFinished(() => harness.close());
  const driver = await harness.makeDriver({ kubeConfigFile });
  const machineId = MachineId.parse("unheard000000000");
  const machine = await driver.boot({
    ...{ machineId, memoryMib: 256, cpus: 1, diskId: null, environmentId: "e", network: null, limits: null },
  });
  way.goDead();
  await kubectl("delete", "pod", `mt-${machineId}`);
  expect(await machine.ended).toMatchObject({ kind: "died", reason: expect.stringContaining("pod was deleted") });
  await driver.remove(machineId);
  expect(await driver.leftovers([machineId])).toEqual([]);
});
