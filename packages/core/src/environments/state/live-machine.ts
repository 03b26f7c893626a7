import type { Terminal } from "@microterm/protocol";
import type { Machine, VmDriver } from "../../ports/vm-driver.ts";

/** Until a guest's agent is connected, and for a short call of it. */
export const AGENT_TIMEOUT_MS = 5_000;

/** A machine that this process holds for an environment. */
export interface LiveMachine {
  readonly machine: Machine;
  readonly driver: VmDriver;
  /** False while it boots: its console can be read, its agent is not for callers yet. */
  isReady: boolean;
  /** As the guest last reported. */
  terminals: readonly Terminal[];
  /** Until this time its terminals are known without asking, ms since the epoch: it has just reported, or has just begun. */
  knownUntil: number;
  /** A question for its terminals that is under way, shared by all that ask meanwhile. */
  asking: Promise<void> | null;
  /** The guest did not answer lately and is not asked again before this time, ms since the epoch. */
  quietUntil: number;
  /** Since when its agent has not answered a sign of life, ms since the epoch; null: it answers. */
  silentSince: number | null;
}

export function liveMachine(driver: VmDriver, machine: Machine): LiveMachine {
  return {
    driver,
    machine,
    isReady: false,
    terminals: [],
    knownUntil: 0,
    asking: null,
    quietUntil: 0,
    silentSince: null,
  };
}
