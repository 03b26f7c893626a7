import type { MachineLimits } from "@microterm/core";
import type { LimitArgs } from "@microterm/host";

/** After a rest a guest may be so much faster for a while: to boot, to install, to compile. */
const BURST = 2;
const BURST_SECONDS = 5;
const MIB = 1024 * 1024;

export function limitArgs({ cpu, disk }: Partial<MachineLimits>): LimitArgs {
  return {
    ...(cpu === undefined ? {} : { cpu }),
    ...(disk === undefined
      ? {}
      : {
          disk: {
            bytesPerSecond: disk.mibPerSecond * MIB,
            operationsPerSecond: disk.operationsPerSecond,
            burstBytesPerSecond: BURST * disk.mibPerSecond * MIB,
            burstOperationsPerSecond: BURST * disk.operationsPerSecond,
            burstSeconds: BURST_SECONDS,
          },
        }),
  };
}
