import { BUILD_STEPS, type BuildStep } from "./image-error.ts";

/** What a person watching a build is shown. */
export interface BuildProgress {
  readonly step: BuildStep;
  readonly text: string;
  /** True of what a person should know besides: something of an earlier build was damaged. */
  readonly isNote: boolean;
  /** How much of the whole build is done, 0 to 1, never falling; a guess from the length of earlier builds. */
  readonly fraction: number;
}

export type ProgressListener = (progress: BuildProgress) => void;

/** Where each step ends, as a part of the whole: measured on a build of 70 s. */
const ENDS: Readonly<Record<BuildStep, number>> = {
  check: 0.01,
  sources: 0.04,
  packages: 0.72,
  kernel: 0.78,
  guest: 0.8,
  filesystem: 0.97,
  initrd: 0.98,
  finish: 1,
};

/** Follows a build and reports it; `part` (0 to 1) is how far the step itself has come. */
export function createProgress(listener: ProgressListener) {
  let highest = 0;
  let current: BuildStep = "check";
  return {
    step: () => current,
    report(step: BuildStep, text: string, part = 0) {
      current = step;
      const before = BUILD_STEPS[BUILD_STEPS.indexOf(step) - 1];
      const start = before === undefined ? 0 : ENDS[before];
      highest = Math.max(highest, start + (ENDS[step] - start) * Math.min(part, 1));
      listener({ step, text, fraction: highest, isNote: false });
    },
    note(text: string) {
      listener({ step: current, text, fraction: highest, isNote: true });
    },
  };
}

export type Progress = ReturnType<typeof createProgress>;

/** How many lines each of apt's phases takes for one package of this recipe; only the bar's evenness rests on it. */
const EXPECTED_PACKAGES = 190;

/** Reads mmdebstrap's verbose output, and the `microterm-step:` marks of the recipe's script. */
export function followBootstrap(progress: Progress): (line: string) => void {
  const seen = { fetched: 0, unpacked: 0, configured: 0 };
  return (line) => {
    const mark = /^microterm-step: (kernel|guest|clean|filesystem)$/.exec(line)?.[1];
    if (mark === "clean") return;
    if (mark === "kernel") progress.report("kernel", "Fetching Debian's kernel for virtual machines");
    else if (mark === "guest") progress.report("guest", "Setting up the user and the shell");
    else if (mark === "filesystem") progress.report("filesystem", "Packing the file system (about 15 s)");
    if (progress.step() !== "sources" && progress.step() !== "packages") return;
    if (/^Get:\d+ .*InRelease|^Get:\d+ .* Packages /.test(line))
      return progress.report("sources", "Reading the package lists", 0.5);
    const name = /^(?:Get:\d+ \S+ \S+ \S+ (\S+)|Unpacking (\S+)|Setting up (\S+)) /.exec(line);
    if (!name) return;
    if (name[1]) seen.fetched++;
    else if (name[2]) seen.unpacked++;
    else seen.configured++;
    const part = (seen.fetched * 0.3 + seen.unpacked * 0.35 + seen.configured * 0.35) / EXPECTED_PACKAGES;
    const verb = name[1] ? "Fetching" : name[2] ? "Unpacking" : "Setting up";
    progress.report("packages", `${verb} ${name[1] ?? name[2] ?? name[3]}`, part);
  };
}
