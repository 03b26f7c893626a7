import type { VmCapabilities } from "@microterm/core";

/** What microterm-host allows a VMM beyond its guest's memory (docs/reference/host-protocol.md, The jail), MiB. */
const OVERHEAD_MIB = 160;
/** QEMU's translation buffer under TCG (tb-size there), MiB. */
const TRANSLATION_MIB = 96;
/** Software TLBs under TCG: one byte for so many of the guest's, and so many MiB a CPU. */
const TLB_SHARE = 16;
const TLB_CPU_MIB = 8;

export function qemuCapabilities(accelerator: "tcg" | "kvm", acceleratorReason: string): VmCapabilities {
  const emulation = (memoryMib: number, cpus: number): number =>
    accelerator === "tcg" ? TRANSLATION_MIB + Math.ceil(memoryMib / TLB_SHARE) + TLB_CPU_MIB * cpus : 0;
  return {
    accelerator,
    acceleratorReason,
    isolation: accelerator === "kvm" ? "vm" : "emulated",
    supportsDisk: true,
    supportsPowerOff: true,
    supportsConsole: true,
    overheadMib: ({ memoryMib, cpus }) => OVERHEAD_MIB + emulation(memoryMib, cpus),
  };
}
