import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { AgentLink } from "@microterm/agent-client";
import type { Machine, VmDriver } from "@microterm/core";
import { runInGuest } from "@microterm/core/testing";
import { connectPinned, createKeyPair, type KeyPair } from "@microterm/host";
import { MachineId } from "@microterm/protocol";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { kubectl } from "../../support/cluster/in-cluster.ts";
import { type KubernetesHarness, startKubernetesHarness } from "../../support/cluster/kubernetes-harness.ts";

const PORT = 7070;
const machineId = MachineId.parse("keys000000000000");
let harness: KubernetesHarness;
let driver: VmDriver;
let machine: Machine;
let address: string;
let fingerprint: string;

beforeAll(async () => {
  harness = startKubernetesHarness();
  driver = await harness.makeDriver();
  machine = await driver.boot({
    ...{ machineId, memoryMib: 256, cpus: 1, diskId: null, environmentId: "e", network: null, limits: null },
  });
  await machine.agent({ timeoutMs: 60_000 });
  address = await kubectl("get", "pod", `mt-${machineId}`, "--output", "jsonpath={.status.podIP}");
  fingerprint = (await harness.pins.get(machineId)) ?? "";
});

afterAll(async () => {
  await machine.stop();
  const left = await driver.leftovers([machineId]);
  await harness.close();
  expect(left).toEqual([]);
});

const stranger = (place: string): Error => new Error(`a stranger at ${place}`);
const link = (identity: KeyPair) =>
  new AgentLink({ open: (limits) => connectPinned({ address, port: PORT, fingerprint, stranger }, identity, limits) });

/** What a shell of the tenant's prints. */
async function said(script: string): Promise<string> {
  const { stdout } = await runInGuest(await machine.agent({ timeoutMs: 10_000 }), ["sh", "-c", `exec 2>&1; ${script}`]);
  return String(stdout);
}

it("answers who has the installation's key, and nobody else", async () => {
  const own = link(harness.identity);
  await expect(own.agent({ timeoutMs: 10_000 })).resolves.toMatchObject({ hello: { isSealed: false } });
  own.end("done");
  const other = link(createKeyPair("microterm"));
  await expect(other.agent({ timeoutMs: 3000 })).rejects.toMatchObject({ code: "GUEST_UNREACHABLE" });
  other.end("done");
});

it("says nothing to who speaks no TLS, or shows no certificate", async () => {
  for (const bytes of [Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), randomBytes(4096)]) {
    const socket = connect({ host: address, port: PORT });
    const said: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => said.push(chunk));
    socket.on("error", () => {});
    socket.write(bytes);
    await vi.waitFor(() => expect(socket.closed).toBe(true), { timeout: 30_000 });
    // At most an alert of TLS's, which tells nothing of the machine.
    expect(Buffer.concat(said).length).toBeLessThan(16);
  }
});

it("is not taken for another's, whose key it has not", async () => {
  const pinned = connectPinned({ address, port: PORT, fingerprint: "0".repeat(64), stranger }, harness.identity, {
    timeoutMs: 10_000,
  });
  await expect(pinned).rejects.toThrow("a stranger");
});

it("has its keys to itself, once it has answered: they are in no file, and the secret is gone", async () => {
  expect(await said("ls /run/microterm/keys /run/microterm/secret; mount | grep secret")).not.toMatch(
    /client|certificate/,
  );
  await expect.poll(() => kubectl("get", "secrets", "--output", "name")).toBe("");
});

it("gives a tenant's programs no way to more rights", async () => {
  expect(await said("id -un; sudo -n true || echo refused")).toMatch(/^dev\n.*refused\n$/s);
  expect(await said("head -c 100 /proc/1/mem; kill -9 1; true")).toMatch(/denied|not permitted/);
});

it("is a pod that the cluster's security standard 'baseline' lets in", async () => {
  await kubectl("label", "namespace", "default", "pod-security.kubernetes.io/enforce=baseline", "--overwrite");
  const id = MachineId.parse("baseline00000000");
  const other = await driver.boot({
    ...{ machineId: id, memoryMib: 256, cpus: 1, diskId: null, environmentId: null, network: null, limits: null },
  });
  await other.stop();
  await kubectl("label", "namespace", "default", "pod-security.kubernetes.io/enforce-");
});

it("has a machine-id of its own once it is somebody's", async () => {
  const agent = await machine.agent({ timeoutMs: 10_000 });
  const id = "0123456789abcdef".repeat(2);
  const identity = { hostname: "h", machineId: id, timeUnixMs: Date.now(), seed: randomBytes(64), environment: "e" };
  await agent.identify({ ...identity, interface: null });
  expect(await said("cat /etc/machine-id")).toBe(`${id}\n`);
});
