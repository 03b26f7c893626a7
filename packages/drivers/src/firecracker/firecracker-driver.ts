import type { VmDriver } from "@microterm/core";
import { createHostDriver, type HostDriverOptions } from "../host/host-driver.ts";
import type { Vmm } from "../host/vmm.ts";
import { FirecrackerMonitor } from "./firecracker-monitor.ts";

/**
 * A vsock connection is made for each attempt. After a restore the first often dies before the agent has answered, and seldom
 * the second; one that stays silent is given up soon.
 */
const CHANNEL = { retriesAtOnce: 4, attemptMs: 5000 };

const FIRECRACKER: Vmm = {
  name: "firecracker",
  title: "Firecracker",
  monitorSocket: "watch.sock",
  createMonitor: (options) => new FirecrackerMonitor(options),
  channel: CHANNEL,
  overheadOf: (answer) => answer.firecracker,
};

export type FirecrackerDriverOptions = Omit<HostDriverOptions, "accelerator">;

/** MicroVMs with Firecracker, which needs KVM. */
export const createFirecrackerDriver = (options: FirecrackerDriverOptions): VmDriver =>
  createHostDriver(FIRECRACKER, { ...options, accelerator: "kvm" });
