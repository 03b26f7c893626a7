import type { V1Container } from "@kubernetes/client-node";
import { createKeyPair, fingerprintOf } from "@microterm/host";
import { MachineId } from "@microterm/protocol";
import { expect, it } from "vitest";
import { LABELS } from "./labels.ts";
import { GATE, nameOf, podOf, policyOf, policySpecOf, secretOf } from "./pod-objects.ts";

const machineId = MachineId.parse("abcdefghijklmnop");
const SETTINGS = {
  component: "environment",
  installation: "i",
  image: "r/m:1",
  runtimeClass: "kata",
  cpuOvercommit: 1,
  allowsPrivileges: false,
} as const;
const SPEC = { machineId, memoryMib: 512, cpus: 2, diskId: null, environmentId: "env", network: null, limits: null };
const created = { ...podOf(SPEC, SETTINGS), metadata: { ...podOf(SPEC, SETTINGS).metadata, uid: "uid-1" } };

it("asks for all that it may use, and for no rights in the cluster", () => {
  const { spec, metadata } = podOf(SPEC, SETTINGS);
  const amounts = { memory: "512Mi", cpu: "2" };
  for (const container of [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]) {
    expect(container.resources).toEqual({ requests: amounts, limits: amounts });
    expect(container.securityContext?.allowPrivilegeEscalation).toBe(false);
  }
  expect(spec).toMatchObject({
    ...{ runtimeClassName: "kata", restartPolicy: "Never", automountServiceAccountToken: false, dnsPolicy: "None" },
    schedulingGates: [{ name: GATE }],
  });
  expect(metadata?.labels).toMatchObject({ [LABELS.machine]: machineId, [LABELS.environment]: "env" });
  expect(podOf({ ...SPEC, environmentId: null }, { ...SETTINGS, runtimeClass: null })).not.toMatchObject({
    spec: { runtimeClassName: expect.anything() },
  });
});

it("asks for a part of its CPUs where they are promised several times, and for all of its memory", () => {
  const { spec } = podOf(SPEC, { ...SETTINGS, cpuOvercommit: 3 });
  for (const container of [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]) {
    expect(container.resources).toEqual({
      requests: { memory: "512Mi", cpu: "667m" },
      limits: { memory: "512Mi", cpu: "2" },
    });
  }
});

it("shows the secret to the container that takes the keys, and to no other", () => {
  const mounts = (containers: readonly V1Container[] | undefined) =>
    containers?.flatMap(({ volumeMounts }) => (volumeMounts ?? []).map(({ name }) => name));
  expect(mounts(created.spec?.initContainers)).toEqual(["secret", "keys"]);
  expect(mounts(created.spec?.containers)).toEqual(["keys"]);
});

it("has the home on its disk's claim, and on none without a disk", () => {
  const { spec } = podOf({ ...SPEC, diskId: "d" }, SETTINGS);
  expect(spec?.volumes).toContainEqual({ name: "homes", persistentVolumeClaim: { claimName: "mt-disk-i-d" } });
  for (const { volumeMounts } of [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])])
    expect(volumeMounts).toContainEqual({ name: "homes", mountPath: "/home" });
  expect(JSON.stringify(podOf(SPEC, SETTINGS))).not.toContain("homes");
});

it("has its secret and its policy go with it", () => {
  const [keys, server] = [createKeyPair(machineId), createKeyPair("microterm")];
  const secret = secretOf(created, keys, server.certificate);
  const policy = policyOf(created, machineId, { serverAddresses: [], egress: [] });
  for (const { metadata } of [secret, policy]) {
    expect(metadata?.name).toBe(nameOf(machineId));
    expect(metadata?.ownerReferences).toEqual([
      { apiVersion: "v1", kind: "Pod", name: nameOf(machineId), uid: "uid-1" },
    ]);
  }
  expect(Buffer.from(secret.data?.client ?? "", "base64").toString("hex")).toBe(fingerprintOf(server.certificate));
  // Nothing leaves the pod, and servers alone come in.
  expect(policy.spec).toMatchObject({ policyTypes: ["Ingress", "Egress"], egress: [] });
  expect(policy.spec?.ingress).toHaveLength(1);
});

it("lets servers in that are no pods, by their addresses", () => {
  const { ingress } = policySpecOf(machineId, { serverAddresses: ["192.0.2.7", "2001:db8::7"], egress: [] });
  expect(ingress?.[0]?._from).toEqual([
    { podSelector: { matchLabels: expect.objectContaining({ "app.kubernetes.io/component": "server" }) } },
    { ipBlock: { cidr: "192.0.2.7/32" } },
    { ipBlock: { cidr: "2001:db8::7/128" } },
  ]);
});
