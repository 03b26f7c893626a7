import type { EnvironmentId, MachineId } from "@microterm/protocol";

/** One operation on an environment that has ended, well or not: for the operator's log and figures. */
export interface OperationReport {
  readonly operation: "start" | "resume" | "stop" | "pause" | "destroy";
  readonly environment: EnvironmentId;
  /** The machine that was made or removed; null where there was none. */
  readonly machine: MachineId | null;
  /** Of a start or resume: what the machine was made from; null for the others. */
  readonly method: "claim" | "restore" | "boot" | "resume" | null;
  readonly outcome: "done" | "failed";
  /** Milliseconds in all, and of each step in its order, as far as it came. */
  readonly ms: number;
  readonly steps: Readonly<Record<string, number>>;
}

/** Is told what core does. Its exceptions are the caller's: it must not throw. */
export interface Observer {
  operationEnded(report: OperationReport): void;
}

export const NO_OBSERVER: Observer = { operationEnded: () => {} };
