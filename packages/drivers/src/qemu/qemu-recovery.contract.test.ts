import { randomBytes } from "node:crypto";
import type { GuestAgent, MachineSpec } from "@microterm/core";
import { MachineId } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startTestDaemon, type TestDaemon } from "../../../../support/test-daemon.ts";
import { hostOptions } from "../../../../support/vm-harness.ts";
import { proveKvm } from "./kvm-proof.ts";
import { createQemuDriver } from "./qemu-driver.ts";

const BOOT_MS = 90_000;

describe("qemu beyond the contract", { timeout: 300_000 }, () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await startTestDaemon();
  }, 900_000);
  afterAll(() => daemon?.close(), 120_000);

  const makeDriver = () => createQemuDriver(hostOptions(daemon));
  const spec = (): MachineSpec => ({
    machineId: MachineId.parse(randomBytes(8).toString("hex")),
    memoryMib: 192,
    cpus: 1,
    diskId: null,
    environmentId: randomBytes(6).toString("hex"),
    network: null,
    limits: null,
  });
  const boot = async () => {
    const driver = makeDriver();
    const machine = await driver.boot(spec());
    onTestFinished(async () => {
      await driver.remove(machine.id);
    });
    return { driver, machine, agent: await machine.agent({ timeoutMs: BOOT_MS }) };
  };
  const asRoot = async (agent: GuestAgent, command: string): Promise<void> => {
    const nothing = () => {};
    const events = {
      started: nothing,
      stdout: nothing,
      stderr: nothing,
      exited: nothing,
      failed: nothing,
      closed: nothing,
    };
    await agent.exec({ command: ["sudo", "sh", "-c", command], tty: null }, events);
  };

  it("a machine lives on when the daemon is killed, and the driver finds the next one", async () => {
    const { driver, machine, agent } = await boot();
    await daemon.killDaemon();
    expect((await agent.metrics()).processes).toBeGreaterThan(0);
    await daemon.restart();
    expect((await driver.list()).find(({ machineId }) => machineId === machine.id)?.alive).toBe(true);
    expect((await agent.metrics()).processes).toBeGreaterThan(0);
    expect((await machine.stop()).processes).toBeGreaterThan(0);
    expect(await driver.leftovers([machine.id])).toEqual([]);
  });

  it("a guest whose kernel panics has died, with its last words", async () => {
    const { machine, agent } = await boot();
    await asRoot(agent, "echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger");
    const end = await machine.ended;
    expect(end).toMatchObject({ kind: "panicked", reason: expect.stringContaining("Kernel panic") });
    expect(Buffer.from(await machine.console()).toString()).toContain("Kernel panic");
  });

  it("a VMM that dies while its daemon is away has died all the same", async () => {
    const { driver, machine } = await boot();
    const pid = (await daemon.client.list()).machines.find(({ machineId }) => machineId === machine.id)?.pid;
    process.kill(pid as number, "SIGKILL");
    await daemon.killDaemon();
    expect((await machine.ended).kind).toBe("died");
    await driver.remove(machine.id);
    expect(await driver.leftovers([machine.id])).toEqual([]);
  });

  it.each(["launch.intent", "launch.cgroup", "launch.spawned", "launch.ready"])(
    "a boot during which the daemon is killed at %s fails and leaves nothing",
    async (fault) => {
      await daemon.restart(fault);
      const driver = makeDriver();
      const given = spec();
      await expect(driver.boot(given)).rejects.toMatchObject({ code: "HOST_DAEMON_UNAVAILABLE" });
      expect(await driver.leftovers([given.machineId])).toEqual([]);
      expect((await driver.list()).map(({ machineId }) => machineId)).not.toContain(given.machineId);
      await daemon.restart();
    },
  );

  it.each(["save.stopped", "save.written"])(
    "a pause during which the daemon is killed at %s is done whole or not at all",
    async (fault) => {
      await daemon.restart(fault);
      const driver = makeDriver();
      const diskId = randomBytes(6).toString("hex");
      const snapshotId = randomBytes(6).toString("hex");
      await driver.createDisk(diskId, { sizeMib: 64 });
      const given = { ...spec(), diskId };
      const machine = await driver.boot(given);
      let hasEnded = false;
      void machine.ended.then(() => {
        hasEnded = true;
      });
      const { bootId } = (await machine.agent({ timeoutMs: BOOT_MS })).hello;
      const failure = await driver.snapshots?.pause(machine.id, snapshotId).catch((error: unknown) => error);
      if (failure === undefined) {
        await machine.stop();
        const resumed = await driver.snapshots?.resume({ ...spec(), diskId, snapshotId });
        expect((await resumed?.agent({ timeoutMs: BOOT_MS }))?.hello.bootId).toBe(bootId);
        await resumed?.stop();
      } else {
        expect(failure).toMatchObject({ code: "HOST_DAEMON_UNAVAILABLE" });
        const agent = await machine.agent({ timeoutMs: BOOT_MS });
        expect((await agent.metrics()).processes).toBeGreaterThan(0);
        expect(await driver.snapshots?.listSnapshots()).not.toContain(snapshotId);
        await machine.stop();
      }
      expect(hasEnded).toBe(false);
      await driver.snapshots?.removeSnapshot(snapshotId);
      await driver.removeDisk(diskId);
      expect(await driver.leftovers([machine.id, diskId, snapshotId])).toEqual([]);
      await daemon.restart();
    },
  );

  it("KVM is proven or refuted by a guest, with a reason, and nothing is left of it", async () => {
    const { client, machinesDir, image } = daemon;
    const proof = await proveKvm({ daemon: client, machinesDir, image: image.key, deadlineMs: 5000 });
    expect(["kvm", "tcg"]).toContain(proof.accelerator);
    expect(proof.reason).toMatch(/^(a guest booted with KVM|\/dev\/kvm does not work here: .)/);
    // A bare "hung up" does not help: whatever QEMU complained of is in the reason.
    expect(proof.reason).not.toContain("hung up");
    expect((await client.list()).machines).toEqual([]);
  });
});
