import type { Terminal } from "@microterm/protocol";
import { toTerminal } from "../../machines/first-terminal.ts";
import { wakeOf } from "../../machines/identity.ts";
import type { Clock, Randomness } from "../../ports/clock.ts";
import type { GuestAgent, GuestNetwork } from "../../ports/guest-agent.ts";
import type { Machine, VmDriver } from "../../ports/vm-driver.ts";

/** Until a guest's agent is connected, and for a short call of it. */
export const AGENT_TIMEOUT_MS = 5_000;
/** A guest that has just reported its terminals is not asked again by requests that waited for it. */
const KNOWN_MS = 1_000;

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
  /** When the guest was asked for what it last reported, ms since the epoch; 0: it has not reported yet. */
  learnedAt: number;
  /** When they were last changed through this server, ms since the epoch; 0: never. What was asked before may be what was before. */
  changedAt: number;
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
    learnedAt: 0,
    changedAt: 0,
    asking: null,
    quietUntil: 0,
    silentSince: null,
  };
}

export function noteTerminals(live: LiveMachine, clock: Clock, terminals: readonly Terminal[]): void {
  live.terminals = terminals;
  live.learnedAt = clock.now();
  live.knownUntil = live.learnedAt + KNOWN_MS;
}

interface Waking {
  readonly agent: GuestAgent;
  readonly network: GuestNetwork;
  readonly signal: AbortSignal;
}

/** Tells a guest that was paused what time it is and which network it has, and learns its terminals, which are shown from then on. */
export async function wakeGuest(
  context: { readonly clock: Clock; readonly random: Randomness },
  live: LiveMachine,
  { agent, network, signal }: Waking,
): Promise<void> {
  await agent.wake(wakeOf(context, network), { signal });
  // What it does not say now it is asked later: a guest that has gone on is not given up for that.
  const terminals = await agent.terminals({ signal }).catch(() => null);
  signal.throwIfAborted();
  if (terminals !== null) noteTerminals(live, context.clock, terminals.map(toTerminal));
}
