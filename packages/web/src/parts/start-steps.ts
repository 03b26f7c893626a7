/** Which steps a start goes through, and which of them is under way: told by an environment's `reason` while it is `creating`. */
import { BootStep } from "@microterm/protocol";

/** In the order in which they come (docs/reference/http-api.md). */
const FLOWS = {
  claim: ["claim"],
  resume: ["resume", "agent"],
  restore: ["restore", "agent", "terminal"],
  boot: ["disk", "machine", "kernel", "agent", "terminal"],
} as const satisfies Record<string, readonly BootStep[]>;
export type Flow = keyof typeof FLOWS;

const WORDS: Readonly<Record<BootStep, string>> = {
  claim: "Taking one that is ready",
  resume: "Bringing back its memory",
  restore: "Waking a prepared copy",
  disk: "Preparing its disk",
  machine: "Switching it on",
  kernel: "Starting Linux",
  agent: "Waiting for it to answer",
  terminal: "Opening a terminal",
};

export interface StartSteps {
  readonly flow: Flow;
  readonly steps: readonly { readonly step: BootStep; readonly words: string }[];
  /** Index of the step under way; -1 before the first. */
  readonly current: number;
  /** What the reason says beyond the step's name, as for a second attempt. */
  readonly remark: string;
}

const stepOf = (reason: string | null): BootStep | null =>
  BootStep.safeParse(/^[a-z]+(?=$|[\s:])/.exec(reason ?? "")?.[0]).data ?? null;

/** `before`: the flow seen until now, which tells whose `agent` and `terminal` these are. */
export const startSteps = (reason: string | null, before: Flow | null): StartSteps => {
  const step = stepOf(reason);
  const has = (flow: Flow): boolean => step !== null && (FLOWS[flow] as readonly BootStep[]).includes(step);
  const begins = (Object.keys(FLOWS) as Flow[]).find((flow) => FLOWS[flow][0] === step);
  const flow = begins ?? (before !== null && (step === null || has(before)) ? before : "boot");
  return {
    flow,
    steps: FLOWS[flow].map((name) => ({ step: name, words: WORDS[name] })),
    current: step === null ? -1 : (FLOWS[flow] as readonly BootStep[]).indexOf(step),
    remark: step === null ? "" : (reason ?? "").slice(step.length).replace(/^[\s:]+/, ""),
  };
};
