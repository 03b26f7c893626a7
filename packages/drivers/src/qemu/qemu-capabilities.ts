import type { VmCapabilities } from "@microterm/core";
import type { HostAnswer } from "@microterm/host";
import { PlatformError } from "@microterm/protocol";

/** What a VMM takes besides its guest's memory, as microterm-host tells it. */
export type Overhead = HostAnswer<"machine.overhead">["tcg"];

export interface QemuCapabilitiesOptions {
  readonly accelerator: "tcg" | "kvm";
  readonly acceleratorReason: string;
  /** Undefined as long as the daemon has not been asked. */
  readonly overhead: () => Overhead | undefined;
}

export function qemuCapabilities(options: QemuCapabilitiesOptions): VmCapabilities {
  const { accelerator, acceleratorReason } = options;
  return {
    accelerator,
    acceleratorReason,
    isolation: accelerator === "kvm" ? "vm" : "emulated",
    supportsDisk: true,
    supportsPowerOff: true,
    supportsConsole: true,
    supportsLimits: true,
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
