import { existsSync } from "node:fs";
import { mkdir, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { VmDriver } from "@microterm/core";
import { createFirecrackerDriver, createQemuDriver } from "@microterm/drivers";
import { hostCodeOf, pause, runCommand } from "@microterm/host";
import { MachineId } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DAMAGES, withDamage } from "../../support/damages.ts";
import { type SavedGuest, SavedGuests } from "../../support/saved-guests.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { startTestDaemon, type TestDaemon } from "../../support/test-daemon.ts";
import { hostOptions } from "../../support/vm-harness.ts";

const WAIT = { timeout: 120_000, interval: 50 };
/** As much as is kept of a guest's console, in bytes. */
const CONSOLE = 64 * 1024;
/** So much of a flood must have come before it is looked at: an emulated port takes a millisecond for each byte. */
const SOME = 4096;
/** More than an emulated port takes while a test looks at it. */
const FLOOD = 30_000;
/** By how much a machine may grow while its guest floods the host, in bytes. */
const GROWTH = 16 << 20;
const FLOOD_MS = 3000;
/** More than the 256 MiB that the daemon keeps free, and less than those and a guest's memory. */
const LEFT_FREE = 352 << 20;

let daemon: TestDaemon;
let driver: VmDriver;
let guests: SavedGuests;
beforeAll(async () => {
  daemon = await startTestDaemon();
  driver = createFirecrackerDriver(hostOptions(daemon, "kvm"));
  guests = new SavedGuests(daemon, driver);
  await guests.saveTemplate();
});
afterAll(async () => {
  await guests?.snapshots.removeTemplate(guests.template);
  await daemon?.close();
});

/** Nothing is left of a machine that was not to come to be. */
async function expectCorrupt(spec: SavedGuest["spec"], starting: Promise<unknown>): Promise<void> {
  await expect(starting).rejects.toMatchObject({ code: "SNAPSHOT_CORRUPT" });
  expect(await driver.leftovers([spec.machineId])).toEqual([]);
}

describe("a snapshot that is damaged is no machine's", () => {
  let guest: SavedGuest;
  let saved: string;

  beforeAll(async () => {
    guest = await guests.restore();
    saved = guests.newId();
    await guests.snapshots.pause(guest.machine.id, saved);
    await guest.machine.stop();
  });

  it.each(DAMAGES)("of a pause: $name", async (damage) => {
    await withDamage(damage, join(daemon.data, "host/saves", saved), async () => {
      const spec = { ...guest.spec, machineId: MachineId.parse(guests.newId()) };
      await expectCorrupt(spec, guests.snapshots.resume({ ...spec, snapshotId: saved }));
    });
  });

  it("and goes on at the very byte once it is whole again", async () => {
    const resumed = await guests.resume(guest, saved);
    await guests.snapshots.removeSnapshot(saved);
    await guests.end(resumed);
    await guests.expectNothingLeft();
  });

  it.each(DAMAGES)("of a template: $name", async (damage) => {
    const spec = { ...guests.spec(), diskId: guests.newId() };
    await withDamage(damage, join(daemon.data, "host/templates", guests.template), async () => {
      const restoring = guests.snapshots
        .createDiskFrom(guests.template, spec.diskId)
        .then(() => guests.snapshots.restore({ ...spec, template: guests.template }));
      await expectCorrupt(spec, restoring);
    });
    await driver.removeDisk(spec.diskId);
    await guests.expectNothingLeft();
  });
});

describe("a guest that ends by itself", () => {
  it.each([
    ["sudo -n poweroff", "powered-off"],
    ["sudo -n reboot", "powered-off"],
    ["echo b | sudo -n tee /proc/sysrq-trigger", "powered-off"],
    ["echo c | sudo -n tee /proc/sysrq-trigger", "panicked"],
  ])("by %j is %s, and starts again with its disk", async (command, kind) => {
    const guest = await guests.restore();
    guest.terminal.type(`echo kept >kept; sync; ${command}\n`);
    expect(await guest.machine.ended).toMatchObject({ kind });
    await guest.machine.stop();
    // The others' disks are no different.
    if (kind === "panicked") {
      const again = await guests.boot(guest.spec.diskId);
      expect(await guests.run(again.machine, "cat kept")).toBe("kept\n");
      await guests.end(again);
    } else await driver.removeDisk(guest.spec.diskId);
    await guests.expectNothingLeft();
  });
});

describe("a guest that floods", () => {
  const memory = async (guest: SavedGuest) => (await daemon.client.usage(guest.machine.id)).memoryBytes;
  const disk = async (guest: SavedGuest): Promise<number> => {
    const { stdout } = await runCommand(["du", "-sk", join(daemon.machinesDir, guest.machine.id)]);
    return Number.parseInt(stdout, 10) * 1024;
  };

  it("its serial port fills no more than what is kept of it, and can be paused and killed", async () => {
    const guest = await guests.restore();
    // Of an end, and polite: in the kernel of a guest that is emulated twice, nobody else would come to run.
    guest.terminal.type(`sudo -n nice -n 19 sh -c 'yes flood | head -c ${FLOOD} >/dev/ttyS0' &\n`);
    await expect.poll(async () => (await guest.machine.console()).length, WAIT).toBeGreaterThan(SOME);
    const before = { memory: await memory(guest), disk: await disk(guest) };
    await pause(FLOOD_MS);
    expect((await memory(guest)) - before.memory).toBeLessThan(GROWTH);
    expect(await disk(guest)).toBe(before.disk);
    const console = Buffer.from(await guest.machine.console()).toString();
    expect(console.length).toBeLessThanOrEqual(CONSOLE);
    expect(console).toMatch(/flood\r?\nflood/);
    expect(await guests.run(guest.machine, "echo alive")).toBe("alive\n");

    const saved = guests.newId();
    await guests.snapshots.pause(guest.machine.id, saved);
    await guests.snapshots.removeSnapshot(saved);
    await guests.end(guest);
    await guests.expectNothingLeft();
  });

  it("its vsock reaches nobody, and a terminal that nobody reads is bounded", async () => {
    const guest = await guests.restore();
    const { pid } = (await daemon.client.list()).machines[0] as { pid: number };
    const descriptors = async () => Number((await runCommand(["sh", "-c", `ls /proc/${pid}/fd | wc -l`])).stdout);
    const before = { memory: await memory(guest), descriptors: await descriptors() };
    // Where it would reach the host (vsock(7)): 40 is AF_VSOCK, 2 the host's address.
    const flood = `$n = 0; for $port (1 .. 400) {
      socket(my $s, 40, 1, 0) or die "socket: $!";
      $n++ if connect($s, pack("S S L L x4", 40, 0, 900 + $port, 2));
    } print $n`;
    expect(await guests.run(guest.machine, `perl -e '${flood}'`)).toBe("0");
    guest.terminal.type("sleep 1; yes flood\n");
    guest.terminal.stream.close();
    await pause(FLOOD_MS);
    expect(await guests.run(guest.machine, "echo alive")).toBe("alive\n");
    // The guest's own memory is what the rest is, which it may use.
    expect((await memory(guest)) - before.memory).toBeLessThan(4 * GROWTH);
    expect((await descriptors()) - before.descriptors).toBeLessThan(4);
    await guests.end(guest);
    await guests.expectNothingLeft();
  });
});

it("a disk that has no room for a guest's memory costs the guest nothing, which is paused once there is some", async () => {
  const folder = await makeTempFolder();
  let guest = await guests.boot();
  try {
    const { bavail, bsize } = await statfs(folder.path);
    const filling = join(folder.path, "filling");
    const size = bavail * bsize - LEFT_FREE;
    expect(await runCommand(["fallocate", "--length", String(size), filling])).toMatchObject({ code: 0 });
    const refused = guests.snapshots.pause(guest.machine.id, guests.newId());
    await expect(refused).rejects.toMatchObject({ code: "HOST_OUT_OF_DISK" });
    expect(await guests.snapshots.listSnapshots()).toEqual([]);
    guest = await guests.expectOn(guest);
  } finally {
    await folder.remove();
  }
  const snapshotId = guests.newId();
  await guests.snapshots.pause(guest.machine.id, snapshotId);
  await guests.snapshots.removeSnapshot(snapshotId);
  await guests.end(guest);
  await guests.expectNothingLeft();
});

it("a folder of the same id that somebody has left is not taken over, and can be removed", async () => {
  const spec = guests.spec();
  const folder = join(daemon.machinesDir, spec.machineId);
  await mkdir(folder);
  await writeFile(join(folder, "agent.sock"), "");
  const refusal = await driver.boot(spec).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "MACHINE_BOOT_FAILED" });
  expect(hostCodeOf((refusal as Error).cause)).toBe("exists");
  expect(existsSync(join(folder, "agent.sock"))).toBe(true);
  expect(await driver.list()).toMatchObject([{ machineId: spec.machineId, alive: false }]);
  await driver.remove(spec.machineId);
  await guests.expectNothingLeft();
});

describe("a machine of QEMU's and one of Firecracker's, over one daemon", () => {
  it("run beside each other, each its own driver's", async () => {
    const qemu = createQemuDriver(hostOptions(daemon, "kvm"));
    const guest = await guests.restore();
    const spec = guests.spec();
    const other = await qemu.boot(spec);
    expect((await guests.agentOf(other)).hello.isSealed).toBe(false);
    expect(await guests.run(other, "echo qemu")).toBe("qemu\n");
    guest.terminal.stream.close();

    const { machines } = await daemon.client.list();
    expect(Object.fromEntries(machines.map(({ machineId, vmm }) => [machineId, vmm]))).toEqual({
      [guest.machine.id]: "firecracker",
      [other.id]: "qemu",
    });
    const newDriver = { firecracker: createFirecrackerDriver(hostOptions(daemon, "kvm")), qemu };
    expect(await newDriver.firecracker.list()).toMatchObject([{ machineId: guest.machine.id, alive: true }]);
    expect(await newDriver.qemu.list()).toMatchObject([{ machineId: other.id, alive: true }]);
    await expect(newDriver.firecracker.adopt(other.id)).rejects.toMatchObject({ code: "MACHINE_BOOT_FAILED" });
    await expect(newDriver.qemu.adopt(guest.machine.id)).rejects.toMatchObject({ code: "MACHINE_BOOT_FAILED" });
    // An id is one machine's, whichever VMM it has; who is refused kills nothing.
    await expect(newDriver.firecracker.boot(spec)).rejects.toMatchObject({ code: "MACHINE_BOOT_FAILED" });
    await expect(newDriver.qemu.boot({ ...guests.spec(), machineId: guest.machine.id })).rejects.toMatchObject({
      code: "MACHINE_BOOT_FAILED",
    });
    expect(await guests.run(other, "echo on")).toBe("on\n");
    await other.stop();
    await guests.expectOn(guest);
    await guests.end(guest);
    await guests.expectNothingLeft();
  });
});
