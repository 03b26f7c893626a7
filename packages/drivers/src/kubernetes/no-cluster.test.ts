import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openIdentity } from "@microterm/host";
import { MachineId } from "@microterm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { createQuietLog } from "../../../../support/quiet-log.ts";
import { createKubernetesDriver } from "./kubernetes-driver.ts";

/** A port that nobody listens at. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

it("says that there is no cluster, and does not fail to be made: it may come back", async () => {
  const folder = mkdtempSync(join(tmpdir(), "microterm-no-cluster-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const kubeConfigFile = join(folder, "kubeconfig");
  const server = `https://127.0.0.1:${await closedPort()}`;
  writeFileSync(
    kubeConfigFile,
    JSON.stringify({
      ...{ apiVersion: "v1", kind: "Config", "current-context": "c", users: [{ name: "u", user: { token: "t" } }] },
      clusters: [{ name: "c", cluster: { server } }],
      contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    }),
  );
  const pins = new Map<MachineId, string>();
  const driver = await createKubernetesDriver({
    ...{
      kubeConfigFile,
      namespace: "default",
      image: "i",
      runtimeClass: null,
      cpuOvercommit: 1,
      volumes: null,
      allowPrivate: [],
      log: createQuietLog(),
    },
    identity: openIdentity(join(folder, "identity.json")),
    allowsUnenforced: false,
    prove: async () => ({ isEnforced: true, policyReason: "said", isVm: false, isolationReason: "said" }),
    pins: {
      set: async (id, pin) => void pins.set(id, pin),
      get: async (id) => pins.get(id) ?? null,
      list: async () => [...pins.keys()],
      remove: async (id) => void pins.delete(id),
    },
  });
  onTestFinished(() => driver.close());
  const away = { code: "HOST_DAEMON_UNAVAILABLE" };
  await expect(driver.resources()).rejects.toMatchObject({ ...away, message: expect.stringContaining(server) });
  await expect(driver.list()).rejects.toMatchObject(away);
  const machineId = MachineId.parse("nowhere000000000");
  const spec = { machineId, memoryMib: 256, cpus: 1, diskId: null, environmentId: "e", network: null, limits: null };
  await expect(driver.boot(spec)).rejects.toMatchObject(away);
});
