import type { EnvironmentState } from "@microterm/protocol";

/** What a row is when nothing is being done to it, whichever state that leaves it in. */
export const AT_REST = { operation: null, step: null, interruptions: 0 } as const;

/** States in which an environment has no machine, no network, and in a fleet no holder. */
export const RESTING: ReadonlySet<EnvironmentState> = new Set(["stopped", "paused", "failed"]);
