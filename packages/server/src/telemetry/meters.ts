import type { OperationReport } from "@microterm/core";
import type { DaemonCall } from "@microterm/host";

/** Counts what happens as it happens. No label is a name, an id or anything else that a tenant or guest chooses. */
export interface Meters {
  daemonCalled(call: DaemonCall): void;
  operationEnded(report: OperationReport): void;
}

/** Of a server without a metrics port. */
export const NO_METERS: Meters = { daemonCalled: () => {}, operationEnded: () => {} };
