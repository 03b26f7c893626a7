import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { exportServerImage } from "@microterm/images";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stageServer } from "../../packages/setup/src/build/stage-server.ts";
import { templateChart } from "../../support/cluster/chart.ts";
import { inCluster, kubectl } from "../../support/cluster/in-cluster.ts";
import { type PostgresCluster, startPostgres } from "../../support/postgres-cluster.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { testImage } from "../../support/test-image.ts";

const NAMESPACE = "servers";
const IMAGE = "microterm.test/server:1";
const SERVERS = "app.kubernetes.io/component=server";

const folder = await makeTempFolder();
let postgres: PostgresCluster | undefined;
/** Pods reach the database here: it listens at a socket alone. */
const door = createServer((socket) => {
  const database = connect(postgres?.socket ?? "");
  for (const one of [socket, database]) one.on("error", () => one.destroy());
  socket.pipe(database).pipe(socket);
});

const own = (...args: readonly string[]) => kubectl("--namespace", NAMESPACE, ...args);
/** The command line in a server's pod. */
const microterm = (pod: string, ...args: readonly string[]) =>
  own("exec", pod, "--", "/opt/microterm/microterm", ...args);
const serverPods = async () => (await own("get", "pods", "-l", SERVERS, "--output", "name")).trim().split("\n").sort();

async function importImage(): Promise<void> {
  const server = join(folder.path, "server");
  stageServer(join(import.meta.dirname, "../.."), server);
  const path = join(folder.path, "server.tar");
  const { directory } = await testImage();
  await exportServerImage({
    ...{ image: directory, path, name: IMAGE, scratch: folder.path, server },
    runner: { run: runCommand },
  });
  const socket = join(inCluster()?.folder ?? "", "containerd.sock");
  const ctr = ["ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", path];
  expect(await runCommand(ctr)).toMatchObject({ code: 0 });
  await rm(path);
}

beforeAll(async () => {
  postgres = await startPostgres();
  const [outside] = Object.values(networkInterfaces()).flatMap((all = []) => all.filter((one) => !one.internal));
  door.listen(0, outside?.address);
  await Promise.all([once(door, "listening"), importImage()]);
  const { port } = door.address() as AddressInfo;
  await kubectl("create", "namespace", NAMESPACE);
  const url = `url=postgresql://microterm@${outside?.address}:${port}/postgres`;
  await own("create", "secret", "generic", "database", "--from-literal", url);
  // The cluster has no services: its API server is named.
  const api = new URL((await kubectl("config", "view", "--output", "jsonpath={.clusters[0].cluster.server}")).trim());
  const { code, stdout, stderr } = await templateChart(
    folder.path,
    {
      images: { server: IMAGE, environments: inCluster()?.image },
      database: { secretName: "database" },
      environments: { pool: 0 },
      resources: { requests: {}, limits: {} },
      extraEnv: [
        { name: "KUBERNETES_SERVICE_HOST", value: api.hostname },
        { name: "KUBERNETES_SERVICE_PORT", value: api.port },
      ],
    },
    NAMESPACE,
  );
  expect([code, stderr]).toEqual([0, ""]);
  const file = join(folder.path, "objects.yaml");
  await writeFile(file, stdout);
  await own("apply", "--filename", file);
  await own("wait", "--for=condition=Available", "deployment/mt", "--timeout=280s");
});

afterAll(async () => {
  await kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found");
  await kubectl("delete", "clusterrole,clusterrolebinding", `${NAMESPACE}-mt`, "--ignore-not-found");
  door.close();
  await postgres?.remove();
  await folder.remove();
});

it("the chart's servers serve each other's environments, and go on with those of one that is gone", async () => {
  await own("rollout", "status", "deployment/mt", "--timeout=280s");
  const [one = "", other = ""] = await serverPods();
  await microterm(one, "create", "--name", "first");
  expect(await microterm(other, "ls")).toMatch(/first .* running .* container/);
  await microterm(other, "exec", "first", "--", "sh", "-c", "id -un; echo kept >file");
  await own("delete", one);
  await expect
    .poll(() => microterm(other, "exec", "first", "--", "cat", "file").catch(() => ""), { timeout: 60_000 })
    .toBe("kept\n");
  await own("rollout", "status", "deployment/mt", "--timeout=280s");
  const third = (await serverPods()).find((pod) => pod !== one && pod !== other) ?? "";
  expect(await microterm(third, "exec", "first", "--", "cat", "file")).toBe("kept\n");
  expect(await microterm(third, "open")).toContain("http://127.0.0.1:7681/sign-in#token=");
  await microterm(third, "rm", "first");
  expect(await serverPods()).toEqual((await own("get", "pods", "--output", "name")).trim().split("\n").sort());
});
