import type { EnvironmentId, MachineId } from "@microterm/protocol";
import type { EnvironmentRow } from "../ports/repository.ts";
import type { FoundMachine } from "../ports/vm-driver.ts";
import { STOPPING, wasResumed } from "./steps.ts";

/** What a starting server finds. */
export interface Findings {
  readonly rows: readonly EnvironmentRow[];
  readonly machines: readonly FoundMachine[];
  /** A disk's id is its environment's. */
  readonly disks: readonly string[];
}

/** What is done about a row. */
export type RowAction =
  /** It is as it should be. */
  | { readonly kind: "keep" }
  /** Its machine runs: take it over. */
  | { readonly kind: "adopt"; readonly machineId: MachineId }
  /** Its machine runs, and its owner had asked for a stop: take it over and go on stopping it. */
  | { readonly kind: "finish-stop"; readonly machineId: MachineId }
  /** Its machine is gone. */
  | { readonly kind: "settle"; readonly state: "stopped" | "failed"; readonly reason: string }
  /** Its boot was interrupted: boot again. */
  | { readonly kind: "boot" }
  /** Its removal was interrupted: finish it, with all that bears its id. */
  | { readonly kind: "finish-destroy" };

export interface RecoveryPlan {
  readonly rows: ReadonlyMap<EnvironmentId, RowAction>;
  /** Machines that no row has a use for, and that no destroy counts. */
  readonly removeMachines: readonly MachineId[];
  /** Disks of no environment there is. */
  readonly removeDisks: readonly string[];
}

/**
 * Decides what a starting server does about every row, machine and disk, from what is there alone: the same findings
 * give the same plan, and a server that dies while it carries one out leaves findings for the next.
 */
export function planRecovery({ rows, machines, disks }: Findings): RecoveryPlan {
  const byId = new Map(machines.map((machine) => [machine.machineId, machine]));
  const actions = new Map(
    rows.map((row) => [row.id, decide(row, row.machineId === null ? undefined : byId.get(row.machineId))]),
  );

  const spared = new Set<MachineId>();
  for (const row of rows) {
    const action = actions.get(row.id);
    if (action?.kind === "adopt" || action?.kind === "finish-stop") spared.add(action.machineId);
    if (action?.kind !== "finish-destroy") continue;
    // Left to the destroy, so that its receipt counts them.
    if (row.machineId !== null) spared.add(row.machineId);
    for (const machine of machines) if (machine.environmentId === row.id) spared.add(machine.machineId);
  }
  const owned = new Set<string>(rows.map((row) => row.id));
  return {
    rows: actions,
    removeMachines: [...byId.keys()].filter((machineId) => !spared.has(machineId)),
    removeDisks: disks.filter((disk) => !owned.has(disk)),
  };
}

function decide(row: EnvironmentRow, machine: FoundMachine | undefined): RowAction {
  switch (row.state) {
    case "destroying":
      return { kind: "finish-destroy" };
    case "creating":
      // Once more, not for ever: a boot that brings the server down would do so at every start.
      return wasResumed(row.reason)
        ? { kind: "settle", state: "failed", reason: "the server stopped twice while this was being started" }
        : { kind: "boot" };
    case "running":
      return decideRunning(row, machine);
    case "paused":
    case "stopped":
    case "failed":
      return { kind: "keep" };
  }
}

function decideRunning(row: EnvironmentRow, machine: FoundMachine | undefined): RowAction {
  const isStopping = row.reason === STOPPING;
  if (machine?.alive === true) {
    return { kind: isStopping ? "finish-stop" : "adopt", machineId: machine.machineId };
  }
  if (isStopping) return { kind: "settle", state: "stopped", reason: "stopped by its owner" };
  if (machine?.hostRebooted === true) return { kind: "settle", state: "stopped", reason: "the host was restarted" };
  const reason =
    machine === undefined
      ? "its machine disappeared from the host while the server was down"
      : "the VMM died while the server was down";
  return { kind: "settle", state: "failed", reason };
}
