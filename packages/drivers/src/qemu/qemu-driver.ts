import type { VmDriver } from "@microterm/core";
import { createHostDriver, type HostDriverOptions } from "../host/host-driver.ts";
import type { Vmm } from "../host/vmm.ts";
import { QemuMonitor } from "./qemu-monitor.ts";

export const QEMU: Vmm = {
  name: "qemu",
  title: "QEMU",
  monitorSocket: "qmp.sock",
  createMonitor: (options) => new QemuMonitor(options),
  // A virtio-serial port's socket is QEMU's own: it breaks with QEMU alone.
  channel: {},
  overheadOf: (answer, accelerator) => answer[accelerator],
};

/** MicroVMs with QEMU, emulated where there is no KVM. */
export const createQemuDriver = (options: HostDriverOptions): VmDriver => createHostDriver(QEMU, options);
