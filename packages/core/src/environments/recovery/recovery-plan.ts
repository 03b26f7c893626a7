import type { EnvironmentId, MachineId } from "@microterm/protocol";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { FoundMachine } from "../../ports/vm-driver.ts";

/** What a starting server finds. */
export interface Findings {
  readonly rows: readonly EnvironmentRow[];
  readonly machines: readonly FoundMachine[];
  readonly disks: readonly string[];
  /** Saved memory, whole or not. */
  readonly snapshots: readonly string[];
}

/** What is done about a row. */
export type RowAction =
  /** It is as it should be. */
  | { readonly kind: "keep" }
  /** Its machine runs: take it over. */
  | { readonly kind: "adopt"; readonly machineId: MachineId }
  /** Its machine runs, and its owner had asked for a stop: take it over and go on stopping it. */
  | { readonly kind: "finish-stop"; readonly machineId: MachineId }
  /** Its machine runs, and its memory was being saved, or still is: the daemon that saves it may have outlived the server. A stop may follow. */
  | { readonly kind: "finish-pause"; readonly machineId: MachineId }
  /** Its machine runs, and was being resumed: take it over and tell it the time. */
  | { readonly kind: "finish-resume"; readonly machineId: MachineId }
  /**
   * Its machine is gone, or its saved memory is. `paused` keeps the snapshot, anything else drops it. Without a reason it is what was asked
   * for, and the row has whatever there is to say.
   */
  | { readonly kind: "reconcile"; readonly state: "stopped" | "failed" | "paused"; readonly reason?: string }
  /** Its boot, or its resume, was interrupted before there was a machine to speak of: begin again. */
  | { readonly kind: "boot" }
  /** Its removal was interrupted: finish it, with all that bears its id. */
  | { readonly kind: "finish-destroy" };

export interface RecoveryPlan {
  readonly rows: ReadonlyMap<EnvironmentId, RowAction>;
  /** Machines that no row has a use for, and that no destroy counts. */
  readonly removeMachines: readonly MachineId[];
  /** Disks of no environment there is. */
  readonly removeDisks: readonly string[];
  /** Snapshots that no row will go on from. */
  readonly removeSnapshots: readonly string[];
}

/**
 * Decides what a starting server does about every row, machine and disk, from what is there alone: the same findings
 * give the same plan, and a server that dies while it carries one out leaves findings for the next.
 */
export function planRecovery({ rows, machines, disks, snapshots }: Findings): RecoveryPlan {
  const byId = new Map(machines.map((machine) => [machine.machineId, machine]));
  const present = new Set(snapshots);
  const actions = new Map(
    rows.map((row) => {
      const machine = row.machineId === null ? undefined : byId.get(row.machineId);
      return [row.id, decide(row, machine, row.snapshotId !== null && present.has(row.snapshotId))];
    }),
  );

  const spared = new Set<MachineId>();
  for (const row of rows) {
    const action = actions.get(row.id);
    if (action !== undefined && "machineId" in action) spared.add(action.machineId);
    if (action?.kind !== "finish-destroy") continue;
    // Left to the destroy, so that its receipt counts them.
    if (row.machineId !== null) spared.add(row.machineId);
    for (const machine of machines) if (machine.environmentId === row.id) spared.add(machine.machineId);
  }
  const owned = new Set<string>(rows.map((row) => row.diskId));
  const kept = new Set(rows.filter((row) => keepsSnapshot(actions.get(row.id))).map((row) => row.snapshotId));
  return {
    rows: actions,
    removeMachines: [...byId.keys()].filter((machineId) => !spared.has(machineId)),
    removeDisks: disks.filter((disk) => !owned.has(disk)),
    removeSnapshots: snapshots.filter((snapshot) => !kept.has(snapshot)),
  };
}

function keepsSnapshot(action: RowAction | undefined): boolean {
  switch (action?.kind) {
    case "keep":
    case "boot":
    case "finish-pause":
    case "finish-resume":
    case "finish-destroy":
      return true;
    case "reconcile":
      return action.state === "paused";
    default:
      return false;
  }
}

function decide(row: EnvironmentRow, machine: FoundMachine | undefined, hasSnapshot: boolean): RowAction {
  switch (row.state) {
    case "destroying":
      return { kind: "finish-destroy" };
    case "creating":
      return row.snapshotId === null ? decideCreating(row) : decideResuming(row, machine, hasSnapshot);
    case "running":
      return decideRunning(row, machine, hasSnapshot);
    case "paused":
      return hasSnapshot
        ? { kind: "keep" }
        : { kind: "reconcile", state: "failed", reason: "its saved memory is gone" };
    case "stopped":
    case "failed":
      return { kind: "keep" };
  }
}

function decideCreating(row: EnvironmentRow): RowAction {
  // Once more, not for ever: a boot that brings the server down would do so at every start.
  return row.interruptions > 0
    ? { kind: "reconcile", state: "failed", reason: "the server stopped twice while this was being started" }
    : { kind: "boot" };
}

/** A guest that has gone on has changed its disk: it must never be brought back from its snapshot a second time. */
function decideResuming(row: EnvironmentRow, machine: FoundMachine | undefined, hasSnapshot: boolean): RowAction {
  if (machine?.alive === true) return { kind: "finish-resume", machineId: machine.machineId };
  if (machine !== undefined) return { kind: "reconcile", state: "failed", reason: "the VMM died while it was resumed" };
  if (!hasSnapshot) return { kind: "reconcile", state: "failed", reason: "its saved memory is gone" };
  return row.interruptions > 0
    ? { kind: "reconcile", state: "paused", reason: "the server stopped twice while this was being resumed" }
    : { kind: "boot" };
}

function decideRunning(row: EnvironmentRow, machine: FoundMachine | undefined, hasSnapshot: boolean): RowAction {
  const isStopping = row.operation === "stop";
  const isPausing = row.operation === "pause";
  if (machine?.alive === true) {
    // A stop that was asked for during a pause comes after it.
    const isPausingStill = isPausing || (isStopping && row.snapshotId !== null);
    const kind = isPausingStill ? "finish-pause" : isStopping ? "finish-stop" : "adopt";
    return { kind, machineId: machine.machineId };
  }
  if (isStopping) return { kind: "reconcile", state: "stopped" };
  if (isPausing && hasSnapshot) return { kind: "reconcile", state: "paused" };
  if (machine?.hostRebooted === true) return { kind: "reconcile", state: "stopped", reason: "the host was restarted" };
  const reason =
    machine === undefined
      ? "its machine disappeared from the host while the server was down"
      : "the VMM died while the server was down";
  return { kind: "reconcile", state: "failed", reason };
}
