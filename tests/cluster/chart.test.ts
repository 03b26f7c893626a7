import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nameOfResource, rightsOf } from "@microterm/drivers";
import { MachineId } from "@microterm/protocol";
import { afterAll, expect, it, onTestFinished } from "vitest";
import { templateChart } from "../../support/cluster/chart.ts";
import { inCluster, kubectl } from "../../support/cluster/in-cluster.ts";
import { startKubernetesHarness } from "../../support/cluster/kubernetes-harness.ts";
import { rulesOfScope } from "../../support/cluster/server-account.ts";
import { startServer } from "../../support/server.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";

const LEAST = { images: { server: "r/s:1", environments: "r/e:1" }, database: { secretName: "db" } };
const ALL = {
  ...LEAST,
  images: { ...LEAST.images, pullSecrets: ["pull"] },
  identity: { secretName: "identity" },
  publicUrl: "https://term.example.org",
  trustProxy: ["10.0.0.0/8", "192.0.2.7/32"],
  previewDomain: "previews.example.net",
  ingress: {
    ...{ className: "nginx", tlsSecretName: "tls", annotations: { "cert-manager.io/issuer": "letsencrypt" } },
    from: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "ingress-nginx" } } }],
  },
  oidc: { secretName: "oidc" },
  localAccounts: false,
  environments: { runtimeClass: "", storageClass: "fast", cpuOvercommit: 4, pool: 0, idleTimeout: 1800, ttl: 86_400 },
  extraArgs: ["--audit-days=30"],
  extraEnv: [{ name: "A", value: "1" }],
  nodeSelector: { "kubernetes.io/os": "linux" },
  tolerations: [{ key: "kata", operator: "Exists" }],
  podAnnotations: { a: "b" },
};

const folder = await makeTempFolder();
afterAll(() => folder.remove());

const template = (values: object) => templateChart(folder.path, values);

it.each([
  ["as little as can be said", LEAST],
  ["all that can be said", ALL],
])("the API server takes what the chart makes of %s", async (_, values) => {
  const { code, stdout, stderr } = await template(values);
  expect([code, stderr]).toEqual([0, ""]);
  const file = join(folder.path, "objects.yaml");
  await writeFile(file, stdout);
  const taken = await kubectl("apply", "--dry-run=server", "--filename", file, "--output", "name");
  expect(taken).toContain("deployment.apps/mt");
  expect(taken.includes("ingress")).toBe(values === ALL);
});

it("says what is missing", async () => {
  expect((await template({})).stderr).toContain("images.server: as `./microterm image push --server` has pushed it");
  const { stderr } = await template({ ...LEAST, publicUrl: "https://term.example.org" });
  expect(stderr).toContain("trustProxy: the CIDRs of the Ingress controller's pods");
});

it.each([
  ["without volumes", "", false],
  ["with volumes", "cluster-default", true],
])("gives servers the rights that the driver names, and no others: %s", async (_, storageClass, hasVolumes) => {
  const { stdout } = await template({ ...LEAST, environments: { storageClass } });
  const file = join(folder.path, "objects.yaml");
  await writeFile(file, stdout);
  const printed = await kubectl("create", "--dry-run=client", "--filename", file, "--output", "json");
  // One object after another.
  const objects = JSON.parse(`[${printed.replaceAll("}\n{", "},{")}]`);
  const rulesOf = (kind: string, name: string) =>
    objects.find((one: { kind: string; metadata: { name: string } }) => one.kind === kind && one.metadata.name === name)
      .rules;
  for (const [kind, name, scope] of [
    ["Role", "mt", "namespace"],
    ["ClusterRole", "default-mt", "cluster"],
  ] as const)
    expect(rulesOf(kind, name)).toEqual(rulesOfScope(scope, { hasVolumes }));
});

/** It asks why. */
async function startWithoutVolume(): Promise<void> {
  const harness = startKubernetesHarness();
  const name = "nothing";
  const file = join(folder.path, "class.json");
  const kind = { apiVersion: "storage.k8s.io/v1", kind: "StorageClass", provisioner: "kubernetes.io/no-provisioner" };
  await writeFile(file, JSON.stringify({ ...kind, metadata: { name } }));
  await kubectl("apply", "--filename", file);
  const driver = await harness.makeDriver({ volumes: { storageClass: name }, runningMs: 1000 });
  const diskId = "unbound";
  await driver.createDisk(diskId, { sizeMib: 16 });
  const machineId = MachineId.parse("unbound000000000");
  const size = { memoryMib: 256, cpus: 1, diskId, environmentId: "e", network: null, limits: null };
  await expect(driver.boot({ machineId, ...size })).rejects.toThrow("did not start");
  await driver.removeDisk(diskId);
  await kubectl("delete", "storageclass", name);
  await harness.close();
}

it("names every right that a server uses, and none that it does not", async () => {
  const volumes = ["--storage-class", "folders"];
  const server = await startServer({ args: volumes });
  const { id } = await server.environment();
  await server.ok("PATCH", `/v1/environments/${id}`, { network: { mode: "none" } });
  await server.call("GET", `/v1/environments/${id}/logs`);
  await server.kill("SIGKILL");
  const next = await startServer({ data: server.data, args: volumes });
  onTestFinished(async () => {
    await next.dispose();
  });
  await next.ok("POST", `/v1/environments/${id}/exec`, { command: ["true"] });
  await next.ok("DELETE", `/v1/environments/${id}`);
  await startWithoutVolume();
  const used = new Set<string>();
  for (const line of readFileSync(join(inCluster()?.folder ?? "", "audit.log"), "utf8")
    .split("\n")
    .filter(Boolean)) {
    const { user, verb, objectRef } = JSON.parse(line);
    if (user.username !== "system:serviceaccount:default:microterm-server" || objectRef === undefined) continue;
    // Whoever asks for its own rights needs none for that.
    if (objectRef.apiGroup === "authorization.k8s.io") continue;
    const { apiGroup: group = "", resource, subresource } = objectRef;
    used.add(`${verb} ${group} ${nameOfResource({ group, resource, subresource, verbs: [], scope: "cluster" })}`);
  }
  const named = rightsOf({ hasVolumes: true }).flatMap((right) =>
    right.verbs.map((verb) => `${verb} ${right.group} ${nameOfResource(right)}`),
  );
  expect([...used].sort()).toEqual(named.sort());
});
