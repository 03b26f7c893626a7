import type { MachineEnd } from "@microterm/core";

/** Follows one VMM that runs: whether it still has its guest, and what the guest's console says. */
export interface Monitor {
  /** Rejects when the VMM cannot be reached: it is dead, or about to be. */
  start(signal?: AbortSignal): Promise<void>;
  /** The guest's agent has answered for the first time, or again. */
  booted(): void;
  /** The guest is silent: looks whether it is dead, where its VMM did not say so. Rejects when that cannot be told now. */
  examine(): Promise<void>;
  /** The serial console's tail, at most 64 KiB, raw; what was read last, where the VMM does not answer. */
  console(): Promise<Uint8Array>;
  /** The machine is being saved: ends are held back until `expectNoEnd`. */
  expectEnd(): void;
  /** It was not saved after all. An end that was held back is reported now. */
  expectNoEnd(): void;
  /** Nothing is reported any more. Safe to repeat. */
  release(): void;
}

export interface MonitorOptions {
  /** Of the socket that the VMM's `monitorSocket` names. */
  readonly path: string;
  /** Whether the VMM's process runs, by the daemon. Rejects when the daemon cannot say. */
  readonly isAlive: () => Promise<boolean>;
  /** What the VMM itself said on its standard error, or "". */
  readonly complaint: () => Promise<string>;
  /** Called once at most. */
  readonly ended: (end: MachineEnd) => void;
}
