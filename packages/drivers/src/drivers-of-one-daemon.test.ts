import type { MachineSpec, VmDriver } from "@microterm/core";
import { silentLog } from "@microterm/core/testing";
import type { HostDaemonClient, HostMachine } from "@microterm/host";
import { MachineId } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { createFirecrackerDriver } from "./firecracker/firecracker-driver.ts";
import { createQemuDriver } from "./qemu/qemu-driver.ts";

const idOf = (letter: string) => MachineId.parse(letter.repeat(16));
const IMAGE = "0123456789abcdef";
const KVM = { fixedMib: 160, cpuMib: 0, memoryDivisor: null };
const FIRECRACKER = { fixedMib: 20, cpuMib: 1, memoryDivisor: null };

function machine(letter: string, vmm: HostMachine["vmm"]): HostMachine {
  return {
    ...{ machineId: idOf(letter), alive: vmm !== null, pid: 1, uid: 2, diskId: null, image: null, memoryMib: 64 },
    ...{ startedUnixMs: 1, bootId: "boot", environment: null, magic: "0".repeat(32), vmm },
  };
}

/** The two drivers of one daemon, whose answers are made up, and what it was asked. */
function startDrivers(overhead: object = { tcg: KVM, kvm: KVM, firecracker: FIRECRACKER }) {
  const asked: [string, unknown][] = [];
  const daemon = {
    settle: async () => {},
    hello: async () => ({ bootId: "boot", limitsCpu: true }),
    list: async () => ({
      machines: [machine("a", "qemu"), machine("b", "firecracker"), machine("c", null)],
      disks: [],
    }),
    overhead: async () => overhead,
    resources: async () => ({ memory: { totalMib: 1, availableMib: 1 }, disk: { totalMib: 1, freeMib: 1 }, cpus: 1 }),
    findTemplate: async (shape: unknown) => {
      asked.push(["find", shape]);
      return { key: "k", isBuilt: false };
    },
    launch: async (args: unknown) => {
      asked.push(["launch", args]);
      return { pid: 1, uid: 2, magic: "0".repeat(32) };
    },
    kill: async (id: string) => {
      asked.push(["kill", id]);
    },
  } as unknown as HostDaemonClient;
  const options = { daemon, machinesDir: "/nonexistent", image: IMAGE, acceleratorReason: "so", log: silentLog };
  return {
    asked,
    qemu: createQemuDriver({ ...options, accelerator: "kvm" }),
    firecracker: createFirecrackerDriver(options),
  };
}

const SPEC: MachineSpec = {
  ...{ machineId: idOf("d"), memoryMib: 64, cpus: 1, diskId: null, environmentId: null, network: null, limits: null },
};
const listed = async (driver: VmDriver) => (await driver.list()).map(({ machineId }) => machineId);

describe("two drivers of one daemon", () => {
  it("list their own machines each, and one whose record was never written both", async () => {
    const { qemu, firecracker } = startDrivers();
    expect(await listed(qemu)).toEqual([idOf("a"), idOf("c")]);
    expect(await listed(firecracker)).toEqual([idOf("b"), idOf("c")]);
    expect(qemu.host).toBe(firecracker.host);
  });

  it("ask for their own VMM, QEMU's in words that daemons of before know", async () => {
    const { qemu, firecracker, asked } = startDrivers();
    const shape = { memoryMib: 64, cpus: 1, diskMib: 64 };
    await qemu.snapshots?.findTemplate(shape);
    await firecracker.snapshots?.findTemplate(shape);
    const both = { ...shape, image: IMAGE, accelerator: "kvm" };
    expect(asked.splice(0)).toEqual([
      ["find", both],
      ["find", { ...both, vmm: "firecracker" }],
    ]);
    // Nobody is at the monitor's socket: what was launched is removed again.
    for (const driver of [qemu, firecracker]) {
      await expect(driver.boot(SPEC)).rejects.toMatchObject({ code: "MACHINE_BOOT_FAILED" });
    }
    expect(asked.map(([verb]) => verb)).toEqual(["launch", "kill", "launch", "kill"]);
    expect(asked[0]?.[1]).not.toHaveProperty("vmm");
    expect(asked[2]?.[1]).toMatchObject({ vmm: "firecracker", accelerator: "kvm", image: IMAGE });
  });

  it("count what their own VMMs take", async () => {
    const { qemu, firecracker } = startDrivers();
    for (const driver of [qemu, firecracker]) await driver.resources();
    const spec = { memoryMib: 512, cpus: 2 };
    expect([qemu, firecracker].map((driver) => driver.capabilities.overheadMib(spec))).toEqual([160, 22]);
  });

  it("do not make up what an older daemon does not tell", async () => {
    const { firecracker } = startDrivers({ tcg: KVM, kvm: KVM });
    await firecracker.resources();
    expect(() => firecracker.capabilities.overheadMib({ memoryMib: 512, cpus: 1 })).toThrow(/has not told/);
  });
});

it("Firecracker promises what a virtual machine does", () => {
  expect(startDrivers().firecracker.capabilities).toMatchObject({
    ...{ accelerator: "kvm", isolation: "vm", supportsDisk: true, supportsPowerOff: true, supportsConsole: true },
    ...{ supportsLimits: true, networkLinks: ["slot"], acceleratorReason: "so" },
  });
});
