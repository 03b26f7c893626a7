import { randomBytes } from "node:crypto";
import type { GuestIdentity, Machine, MachineSpec } from "@microterm/core";
import { runInGuest } from "@microterm/core/testing";
import { createQemuDriver } from "@microterm/drivers";
import { MachineId } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { inOtherDebian, type OtherDebian, otherDebian } from "../../support/other-debian.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";
import { startTestDaemon, type TestDaemon } from "../../support/test-daemon.ts";
import { hostOptions } from "../../support/vm-harness.ts";

const BOOT_MS = 90_000;
const SHAPE = { memoryMib: 192, cpus: 1, diskMib: 128 };
/** What Debian's QEMU is without its package of firmware that starts kernels by itself. */
const QBOOT = "/usr/share/qemu/qboot.rom";

const found = await otherDebian();
const name = typeof found === "string" ? `another Debian (skipped: ${found})` : `Debian ${found.suite}`;

/** QEMU, its libraries and its firmware are those of the Debian release that this host is not; so are bubblewrap and mkfs. */
describe.skipIf(typeof found === "string")(`the daemon on ${name}`, { timeout: 600_000 }, () => {
  const debian = found as OtherDebian;
  let scratch: TempFolder;
  let daemon: TestDaemon;
  let isElsewhere = true;
  let hidden: readonly string[] = [];

  const driver = () => createQemuDriver(hostOptions(daemon));
  const hex = (bytes: number) => randomBytes(bytes).toString("hex");
  const spec = (over: Partial<MachineSpec> = {}): MachineSpec => ({
    machineId: MachineId.parse(hex(8)),
    memoryMib: SHAPE.memoryMib,
    cpus: SHAPE.cpus,
    diskId: null,
    environmentId: null,
    network: null,
    limits: null,
    ...over,
  });
  const newDisk = async (make: (diskId: string) => Promise<void>): Promise<string> => {
    const diskId = hex(8);
    await make(diskId);
    onTestFinished(async () => {
      await driver().removeDisk(diskId);
    });
    return diskId;
  };
  const stopAfter = (machine: Machine): Machine => {
    onTestFinished(async () => {
      await driver().remove(machine.id);
    });
    return machine;
  };
  const identity = (): GuestIdentity => ({
    hostname: "microterm",
    machineId: hex(16),
    timeUnixMs: Date.now(),
    seed: randomBytes(64),
    environment: "",
    interface: null,
  });
  const answers = async (machine: Machine) => {
    const agent = await machine.agent({ timeoutMs: BOOT_MS });
    if (agent.hello.isSealed) await agent.identify(identity());
    expect((await runInGuest(agent, ["uname", "-s"])).stdout).toBe("Linux\n");
    return agent;
  };
  const snapshots = () => {
    const { snapshots } = driver();
    if (snapshots === null) throw new Error("the qemu driver has no snapshots");
    return snapshots;
  };
  const removeAfter = (snapshotId: string): void => {
    onTestFinished(async () => {
      await snapshots().removeSnapshot(snapshotId);
    });
  };

  beforeAll(async () => {
    scratch = await makeTempFolder();
    daemon = await startTestDaemon({
      wrap: (command, folders) =>
        isElsewhere ? inOtherDebian(debian, { scratch: scratch.path, folders, hidden }, command) : command,
    });
  }, 900_000);
  afterAll(async () => {
    await daemon?.close();
    await scratch?.remove();
  }, 120_000);

  it("boots, restores and resumes guests, none of which the QEMU of this host takes", async () => {
    const { qemu } = await daemon.client.hello();
    const { key } = await snapshots().findTemplate(SHAPE);
    const diskId = await newDisk((id) => driver().createDisk(id, { sizeMib: SHAPE.diskMib }));
    const source = stopAfter(await driver().boot(spec({ diskId, isTemplateSource: true })));
    const agent = await answers(source);
    await agent.seal();
    await snapshots().saveTemplate(source.id, key);

    const clone = await newDisk((id) => snapshots().createDiskFrom(key, id));
    const restored = stopAfter(await snapshots().restore({ ...spec({ diskId: clone }), template: key }));
    await answers(restored);
    const snapshotId = hex(8);
    removeAfter(snapshotId);
    await snapshots().pause(restored.id, snapshotId);
    await restored.stop();
    const resumed = stopAfter(await snapshots().resume({ ...spec({ diskId: clone }), snapshotId }));
    await answers(resumed);
    const secondSnapshot = hex(8);
    removeAfter(secondSnapshot);
    await snapshots().pause(resumed.id, secondSnapshot);
    await resumed.stop();

    isElsewhere = false;
    await daemon.restart();
    expect((await daemon.client.hello()).qemu).not.toBe(qemu);
    const here = await snapshots().findTemplate(SHAPE);
    expect(here.key).not.toBe(key);
    expect(here.isBuilt).toBe(false);
    const refused = (words: string) => ({ code: "SNAPSHOT_CORRUPT", message: expect.stringContaining(words) });
    const fromTemplate = snapshots().createDiskFrom(key, hex(8));
    await expect(fromTemplate).rejects.toMatchObject(refused("another QEMU"));
    const fromSnapshot = snapshots().resume({ ...spec({ diskId: clone }), snapshotId: secondSnapshot });
    await expect(fromSnapshot).rejects.toMatchObject(refused("another QEMU"));
  });

  it("boots without qboot, by the option ROMs of SeaBIOS", async () => {
    isElsewhere = true;
    hidden = [QBOOT];
    await daemon.restart();
    await answers(stopAfter(await driver().boot(spec())));
  });
});
