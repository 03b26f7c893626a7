/**
 * The places where a process may die and the next one must repair what it left. Each is hit directly after the effect it
 * is named for. `create.*` after `create.row` is hit by `start` and by a resumed boot too: all boot the same way.
 * `claim.*`, `pause.*`, `resume.*`, `pool.*` and `template.*` are hit with a driver that has snapshots alone.
 * `audit.entry` is hit before the commit of a change and its entry.
 */
export const FAULT_POINTS = [
  "create.row",
  "create.disk",
  "create.network",
  "create.machine",
  "create.agent",
  "create.terminal",
  "create.running",
  "claim.row",
  "claim.agent",
  "start.row",
  "stop.row",
  "stop.poweroff",
  "stop.machine",
  "stop.stopped",
  "pause.row",
  "pause.saved",
  "resume.machine",
  "ended.row",
  "ended.machine",
  "destroy.row",
  "destroy.machine",
  "destroy.network",
  "destroy.disk",
  "destroy.scan",
  "destroy.receipt",
  "pool.machine",
  "template.booted",
  "template.saved",
  "audit.entry",
] as const;

export type FaultPoint = (typeof FAULT_POINTS)[number];

/** What a test hooks in to kill the process at a named point. In service nothing is hooked in. */
export interface Faults {
  hit(point: FaultPoint): void;
}

export const NO_FAULTS: Faults = { hit() {} };
