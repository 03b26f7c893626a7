import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { GuestAgent, Machine, NetworkProvider } from "@microterm/core";
import { runInGuest } from "@microterm/core/testing";
import { createFirecrackerDriver } from "@microterm/drivers";
import { createSlotNetwork } from "@microterm/networks";
import { MachineId, type NetworkPolicy } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ECHO_PORT, FORBIDDEN, HOST, PLACES } from "../../support/internet/places.ts";
import { startTestDaemon, type TestDaemon } from "../../support/test-daemon.ts";
import { startTestHost, type TestHost } from "../../support/test-host.ts";
import { hostOptions } from "../../support/vm-harness.ts";

const ANSWER_MS = 90_000;
const DISK_MIB = 64;
const PROBE = join(import.meta.dirname, "../../support/internet/guest/probe.py");
const WEB = PLACES["web.example.org"] as string;
const OTHER = PLACES["other.example.org"] as string;
const GATEWAY = "192.0.0.1";
/** More than one segment of what a guest would leave to its device to cut up. */
const MANY_BYTES = 1_000_000;
/** Sends so many bytes to the echo service, and compares what comes back. */
const ECHO = `
import os, socket, sys, threading
sent = os.urandom(${MANY_BYTES})
with socket.create_connection((sys.argv[1], ${ECHO_PORT}), 60) as one:
    writer = threading.Thread(target=lambda: (one.sendall(sent), one.shutdown(socket.SHUT_WR)))
    writer.start()
    got = b"".join(iter(lambda: one.recv(65536), b""))
    writer.join()
print("same" if got == sent else f"{len(got)} bytes")
`;

const newId = (): string => randomBytes(8).toString("hex");
const tcp = (host: string, port = ECHO_PORT) => `tcp:${host}:${port}`;
const udp = (host: string) => `udp:${host}:${ECHO_PORT}`;

/** A guest that is Firecracker's, in a slot whose host has an internet of the test's own. */
describe("the network of a Firecracker's guest", () => {
  let host: TestHost;
  let daemon: TestDaemon;
  let network: NetworkProvider;
  let machine: Machine;
  let agent: GuestAgent;
  const diskId = newId();
  const machineId = MachineId.parse(newId());

  beforeAll(async () => {
    host = await startTestHost();
    daemon = await startTestDaemon({ wrap: (command) => host.inside([...command, "--slots", "1"]) });
    network = createSlotNetwork({ daemon: daemon.client });
    const driver = createFirecrackerDriver(hostOptions(daemon, "kvm"));
    await driver.createDisk(diskId, { sizeMib: DISK_MIB });
    const { link, interface: guestInterface } = await network.attach(machineId);
    const size = { memoryMib: 192, cpus: 1 };
    machine = await driver.boot({ machineId, ...size, diskId, environmentId: null, network: link, limits: null });
    agent = await machine.agent({ timeoutMs: ANSWER_MS });
    await agent.identify({
      hostname: "microterm",
      machineId: randomBytes(16).toString("hex"),
      timeUnixMs: Date.now(),
      seed: randomBytes(64),
      environment: "",
      interface: guestInterface,
    });
    const probe = await readFile(PROBE);
    await agent.write("probe.py", once(probe));
    await agent.write("echo.py", once(Buffer.from(ECHO)));
  });
  afterAll(async () => {
    await machine?.stop();
    await network?.detach(machineId);
    await daemon?.client.removeNetworks();
    await daemon?.close();
    await host?.close();
  });

  const run = async (...command: readonly string[]): Promise<string> => {
    const { stdout, stderr, exit } = await runInGuest(agent, command);
    expect({ exit, stderr }).toEqual({ exit: { code: 0, signal: null }, stderr: "" });
    return stdout;
  };
  const reach = async (policy: NetworkPolicy, ...targets: readonly string[]): Promise<Record<string, string>> => {
    await network.setPolicy(machineId, policy);
    const said = await run("python3", "probe.py", ...targets);
    return Object.fromEntries(
      [...said.matchAll(/^(\S+) (.*)$/gm)].map(([, target = "", answer]) => [target, answer ?? ""]),
    );
  };
  const all = (answer: string, targets: readonly string[]) => Object.fromEntries(targets.map((one) => [one, answer]));

  it("reaches the internet, and no private network, host or gateway, where its policy is open", async () => {
    const open = [tcp(WEB), udp(WEB), tcp(OTHER)];
    const refused = [...FORBIDDEN.slice(0, 4), HOST, GATEWAY].map((one) => tcp(one));
    expect(await reach({ mode: "open" }, ...open, ...refused)).toEqual({
      ...all("reached", open),
      ...all("refused", refused),
    });
  });

  it("is that of its list, and nothing where there is none", async () => {
    const list: NetworkPolicy = { mode: "allowlist", allow: [{ cidr: `${WEB}/32`, ports: [ECHO_PORT] }] };
    const refused = [tcp(WEB, 8), tcp(OTHER), udp(OTHER)];
    expect(await reach(list, tcp(WEB), ...refused)).toEqual({ [tcp(WEB)]: "reached", ...all("refused", refused) });
    expect(await reach({ mode: "none" }, tcp(WEB), udp(WEB))).toEqual(all("refused", [tcp(WEB), udp(WEB)]));
    const denied = (await network.denials(machineId)).map(({ address }) => address);
    expect(denied).toContain(OTHER);
  });

  it("carries a megabyte each way, whole", async () => {
    await network.setPolicy(machineId, { mode: "open" });
    expect(await run("python3", "echo.py", WEB)).toBe("same\n");
  });
});

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
