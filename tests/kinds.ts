/** What each kind of test runs. */
import { readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { clusterAbsence, clusterCache } from "../support/cluster/binaries.ts";
import { type Check, check } from "./check.ts";
import type { Ran, Run } from "./command.ts";
import { rustTests } from "./rust-tests.ts";
import { addTally, EMPTY_TALLY, lastLines, type Tally, type Timing, vitestTally } from "./tally.ts";

const root = resolve(import.meta.dirname, "..");
const rust = join(root, "rust");
/** Where the build puts agent and daemon: MICROTERM_BIN names it to every runner, so that none of them starts cargo again. */
export const binaries = join(rust, "target/release");
const node = process.execPath;
const bin = (name: string) => join(root, "node_modules", name);

export interface KindResult extends Tally {
  /** Of runners that don't report to MICROTERM_REPORT by themselves. */
  readonly timings?: readonly Timing[];
}

export type Kind = (run: Run) => Promise<KindResult>;

const BUILD: readonly Check[] = [
  {
    name: "agent and daemon build",
    command: ["cargo", "build", "--release", "--locked", "-p", "microterm-agent", "-p", "microterm-host"],
    cwd: rust,
  },
  {
    name: "page builds",
    command: [node, bin("vite/bin/vite.js"), "build", "--logLevel", "warn"],
    cwd: join(root, "packages/web"),
  },
];

/** Tools are run by Node 24 itself, whatever Node the system has. */
const tool = (name: string, script: string, ...args: readonly string[]): Check => ({
  name,
  command: [node, bin(script), ...args],
  cwd: root,
});
const types = (name: string, project: string): Check =>
  tool(`types: ${name}`, "typescript-native/bin/tsc", "-p", project);

const LAB = "tests/lab/machine";
const CLUSTER = "support/cluster";
const SCRIPTS = [
  ...["microterm", ".ci/run", `${CLUSTER}/keep.sh`, `${CLUSTER}/init.sh`],
  ...[`${LAB}/debian.sh`, `${LAB}/inside/initrd.sh`, `${LAB}/inside/init.sh`],
];

const STATIC: readonly Check[] = [
  tool("biome", "@biomejs/biome/bin/biome", "check", "--error-on-warnings"),
  types("server side", "tsconfig.json"),
  types("protocol and core are pure", "tsconfig.pure.json"),
  types("sdk", "packages/sdk/tsconfig.json"),
  types("screen", "packages/screen/tsconfig.json"),
  types("web", "packages/web/tsconfig.json"),
  tool("knip", "knip/bin/knip.js"),
  tool("layers", "dependency-cruiser/bin/dependency-cruiser.mjs", "--config", ".dependency-cruiser.cjs", "packages"),
  { name: "shellcheck", command: ["shellcheck", ...SCRIPTS], cwd: root },
];

async function checks(run: Run, all: readonly Check[]): Promise<Tally> {
  let tally = EMPTY_TALLY;
  for (const one of all) tally = addTally(tally, await check(run, one));
  return tally;
}

/** What vitest has reported to that file, if it came that far. */
function reported(run: Run, report: string, { code, output }: Ran): Tally {
  let text = "";
  try {
    text = readFileSync(report, "utf8");
  } catch {
    // vitest itself has failed, or what should have started it.
    run.report({ kind: "failed", name: basename(report, ".json"), note: lastLines(output) });
  }
  return vitestTally(text, code);
}

function vitestCommand(report: string, projects: readonly string[]): readonly string[] {
  const args = ["run", ...projects.flatMap((one) => ["--project", one]), "--reporter=default", "--reporter=json"];
  args.push(`--outputFile.json=${report}`, `--reporter=${join(root, "tests/reporter.ts")}`);
  return [node, bin("vitest/vitest.mjs"), ...args];
}

/** Of one project, or of several that are one kind. */
const vitest =
  (project: string, ...more: readonly string[]): Kind =>
  async (run) => {
    const report = join(run.scratch, `${project}.json`);
    return reported(run, report, await run(vitestCommand(report, [project, ...more]), root));
  };

/** In the network of a cluster that is started for them, once its programs are built. */
const cluster: Kind = async (run) => {
  const report = join(run.scratch, "cluster.json");
  const absence = await clusterAbsence(clusterCache());
  if (absence !== null) {
    run.report({ kind: "skipped", name: "tests/cluster", note: absence });
    return { passed: 0, failed: 0, skipped: 1 };
  }
  const command = [node, join(root, CLUSTER, "run.ts"), ...vitestCommand(report, ["cluster"])];
  return reported(run, report, await run(command, root));
};

/** Ends with us, and the machine with it: nothing else would end that. */
const lab: Kind = async (run) => {
  const report = join(run.scratch, "lab.json");
  const command = [node, join(root, LAB, "main.ts"), "--report", report];
  return reported(run, report, await run(["setpriv", "--pdeathsig", "TERM", "--", ...command], root));
};

/** Alone and first: everything else rests on it, and a compiler takes every core there is. */
export const build: Kind = (run) => checks(run, BUILD);

/** The longest first, so that lanes end together. */
export const KINDS: Readonly<Record<string, Kind>> = {
  vm: vitest("vm"),
  integration: vitest("integration", "integration-postgres"),
  e2e: vitest("e2e"),
  cluster,
  rust: (run) => rustTests(run, rust),
  security: vitest("security"),
  contract: vitest("contract"),
  unit: vitest("unit"),
  fuzz: vitest("fuzz"),
  static: (run) => checks(run, STATIC),
  style: vitest("style"),
  lab,
};

/** Run by themselves after the lanes: what the lab runs is emulated twice over, and the slowest to bear a neighbour. */
export const ALONE: ReadonlySet<string> = new Set(["lab"]);

/** Alone and last. */
export const leftovers =
  (baseline: string): Kind =>
  (run) =>
    check(run, {
      name: "nothing of a test is left on the host",
      command: [node, join(root, "tests/leftovers.ts"), baseline],
      cwd: root,
    });
