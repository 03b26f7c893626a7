import { expect, it } from "vitest";
import { ANSWERS } from "./daemon-answers.ts";

it("a daemon from before limits of processor time and a second VMM is understood, so that an update can end it", () => {
  const hello = {
    ...{ protocol: 1, version: "0.1.0", pid: 2, supervisorPid: 1, instance: "abcd1234", bootId: "boot", cgroup: "v1" },
    ...{ qemu: null, images: [] },
  };
  expect(ANSWERS.hello.parse(hello)).toEqual({ ...hello, limitsCpu: false, firecracker: null });
});

it("its machines are QEMU's", () => {
  const machine = {
    ...{ machineId: "abcdefgh", alive: true, pid: 1, uid: 2, diskId: null, image: null, memoryMib: 64 },
    ...{ startedUnixMs: 1, bootId: "boot", environment: null, magic: null },
  };
  const vmmOf = (given: object) => ANSWERS.list.parse({ machines: [given], disks: [] }).machines[0]?.vmm;
  expect(vmmOf(machine)).toBe("qemu");
  expect(vmmOf({ ...machine, vmm: null })).toBeNull();
  expect(vmmOf({ ...machine, vmm: "firecracker" })).toBe("firecracker");
  expect(() => vmmOf({ ...machine, vmm: "bhyve" })).toThrow();
});
