import type { VmCapabilities } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import type { Overhead } from "./vmm.ts";

export interface HostCapabilitiesOptions {
  readonly accelerator: "tcg" | "kvm";
  readonly acceleratorReason: string;
  /** Undefined as long as the daemon has not been asked. */
  readonly overhead: () => Overhead | undefined;
}

export function hostCapabilities(options: HostCapabilitiesOptions): VmCapabilities {
  const { accelerator, acceleratorReason } = options;
  return {
    accelerator,
    acceleratorReason,
    isolation: accelerator === "kvm" ? "vm" : "emulated",
    supportsDisk: true,
    supportsPowerOff: true,
    supportsConsole: true,
    supportsLimits: true,
    bootsAhead: false,
    networkLinks: ["slot"],
    overheadMib({ memoryMib, cpus }) {
      const overhead = options.overhead();
      if (overhead === undefined) {
        throw new PlatformError("HOST_DAEMON_UNAVAILABLE", "microterm-host has not told what a machine takes");
      }
      const { fixedMib, cpuMib, memoryDivisor } = overhead;
      return fixedMib + cpuMib * cpus + (memoryDivisor === null ? 0 : Math.ceil(memoryMib / memoryDivisor));
    },
  };
}
