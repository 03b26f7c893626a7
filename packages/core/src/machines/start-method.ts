import type { Size } from "@microterm/protocol";
import type { Machine, MachineSpec, VmDriver, VmSnapshots } from "../ports/vm-driver.ts";

/** How a guest comes to life. */
export type StartMethod =
  | { readonly kind: "boot" }
  | { readonly kind: "restore"; readonly size: Size; readonly template: string; readonly snapshots: VmSnapshots }
  | { readonly kind: "resume"; readonly snapshotId: string; readonly snapshots: VmSnapshots };

/** The driver's call for a start method. */
export function startMachine(
  driver: VmDriver,
  method: StartMethod,
  spec: MachineSpec,
  signal: AbortSignal,
): Promise<Machine> {
  switch (method.kind) {
    case "boot":
      return driver.boot(spec, { signal });
    case "restore":
      return method.snapshots.restore({ ...spec, template: method.template }, { signal });
    case "resume":
      return method.snapshots.resume({ ...spec, snapshotId: method.snapshotId }, { signal });
  }
}
