/** Which steps a start goes through, and which of them is under way. */
import type { BootStep, Environment } from "@microterm/protocol";
import { STEP_WORDS } from "../words.ts";

/** In the order in which they come (docs/reference/http-api.md). */
const FLOWS = {
  claim: ["claim"],
  resume: ["resume", "agent"],
  restore: ["restore", "agent", "terminal"],
  boot: ["disk", "machine", "kernel", "agent", "terminal"],
} as const satisfies Record<string, readonly BootStep[]>;
export type Flow = keyof typeof FLOWS;

export interface StartSteps {
  readonly flow: Flow;
  readonly steps: readonly { readonly step: BootStep; readonly words: string }[];
  /** Index of the step under way; -1 before the first. */
  readonly current: number;
}

/** `before`: the flow seen until now, which tells whose `agent` and `terminal` these are. */
export const startSteps = (
  { operation, step }: Pick<Environment, "operation" | "step">,
  before: Flow | null,
): StartSteps => {
  const has = (flow: Flow): boolean => step !== null && (FLOWS[flow] as readonly BootStep[]).includes(step);
  const begins = (Object.keys(FLOWS) as Flow[]).find((flow) => FLOWS[flow][0] === step);
  const flow =
    operation === "resume"
      ? operation
      : (begins ?? (before !== null && (step === null || has(before)) ? before : "boot"));
  return {
    flow,
    steps: FLOWS[flow].map((name) => ({ step: name, words: STEP_WORDS[name] })),
    current: step === null ? -1 : (FLOWS[flow] as readonly BootStep[]).indexOf(step),
  };
};
