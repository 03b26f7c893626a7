import type { VmCapabilities } from "@microterm/core";

/** What microterm-host allows a VMM beyond its guest's memory (docs/reference/host-protocol.md, The jail), MiB. */
const OVERHEAD_MIB = 160;
/** QEMU's translation buffer under TCG (tb-size there), MiB. */
const TRANSLATION_MIB = 96;
/** A host's tables for the guest's memory: one byte in so many. */
const TABLES_SHARE = 16;
/** A thread and its buffers for each of the guest's CPUs, MiB. */
const CPU_MIB = 8;

export function qemuCapabilities(accelerator: "tcg" | "kvm", acceleratorReason: string): VmCapabilities {
  const fixed = OVERHEAD_MIB + (accelerator === "tcg" ? TRANSLATION_MIB : 0);
  return {
    accelerator,
    acceleratorReason,
    isolation: accelerator === "kvm" ? "vm" : "emulated",
    supportsDisk: true,
    supportsPowerOff: true,
    supportsSnapshot: true,
    supportsConsole: true,
    overheadMib: ({ memoryMib, cpus }) => fixed + Math.ceil(memoryMib / TABLES_SHARE) + CPU_MIB * cpus,
  };
}
