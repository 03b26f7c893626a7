/**
 * `./microterm test [KIND…]`: every check of the project, and one closing line over all runners.
 *
 * KIND is one of the names in KINDS (kinds.ts), all of them when none is given; `--lab` is the kind `lab`; `--soak` runs the long forms
 * of tests that have one.
 * Several kinds run in two lanes side by side, each in a process of its own; the output of each is printed when it has ended. They
 * share the host and nothing else: data folders, ports, uids and cgroups are each test's own. Those of ALONE come after them, by themselves.
 * README.md beside this has the budget.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createRun, type Run } from "./command.ts";
import { ALONE, binaries, build, KINDS, type Kind, leftovers } from "./kinds.ts";
import type { ReportLine } from "./reporter.ts";
import { addTally, EMPTY_TALLY, type Timing } from "./tally.ts";

const LANES = 2;
const SLOWEST = 20;
/** Failures come last: where only the end of the output is kept, they are in it. */
const NOTED = [
  ["skipped", "Skipped"],
  ["retried", "Passed only at the second try"],
  ["failed", "Failed"],
] as const;

const wanted = process.argv.slice(2).filter((word) => !word.startsWith("--"));
if (process.argv.includes("--lab")) wanted.push("lab");
const unknown = wanted.filter((kind) => KINDS[kind] === undefined);
if (unknown.length > 0) {
  console.error(
    `microterm: no kind of test is called ${unknown.join(", ")}\n  Try: ./microterm test ${Object.keys(KINDS).join(" ")}`,
  );
  process.exit(2);
}

const scratch = mkdtempSync(join(tmpdir(), "microterm-test-"));
const report = join(scratch, "report.jsonl");
const env = {
  MICROTERM_REPORT: report,
  MICROTERM_BIN: binaries,
  ...(process.argv.includes("--soak") ? { MICROTERM_SOAK: "1" } : {}),
};
const onTerminal = createRun({ scratch, report, log: null, env });
let total = EMPTY_TALLY;
const kinds: Timing[] = [];
const timings: Timing[] = [];

async function runKind(name: string, kind: Kind, run: Run): Promise<string> {
  const started = performance.now();
  const { timings: timed, ...tally } = await kind(run);
  const ms = performance.now() - started;
  total = addTally(total, tally);
  kinds.push({ name, ms });
  timings.push(...(timed ?? []));
  return `=== ${name}: ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped (${seconds(ms)})`;
}

async function alone(name: string, kind: Kind): Promise<void> {
  console.log(`\n=== ${name}`);
  console.log(await runKind(name, kind, onTerminal));
}

async function inLanes(names: readonly string[]): Promise<void> {
  const waiting = [...names];
  const lane = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const log = join(scratch, `${name}.log`);
      console.log(`... ${name} has begun`);
      const line = await runKind(name, KINDS[name] as Kind, createRun({ scratch, report, log, env }));
      console.log(`\n=== ${name}`);
      if (existsSync(log)) process.stdout.write(readFileSync(log));
      console.log(line);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function printReport(): void {
  const lines = existsSync(report) ? readFileSync(report, "utf8").split("\n").filter(Boolean) : [];
  const reported = lines.map((line) => JSON.parse(line) as ReportLine);
  for (const line of reported) if (line.kind === "time") timings.push(line);
  console.log("\nTime of each kind:");
  for (const { name, ms } of kinds) console.log(`  ${seconds(ms).padStart(8)}  ${name}`);
  console.log(`\nThe ${SLOWEST} slowest tests:`);
  for (const { name, ms } of timings.sort((a, b) => b.ms - a.ms).slice(0, SLOWEST)) {
    console.log(`  ${seconds(ms).padStart(8)}  ${name}`);
  }
  for (const [kind, title] of NOTED) {
    const noted = reported.filter((line): line is Exclude<ReportLine, Timing> => line.kind === kind);
    if (noted.length > 0) console.log(`\n${title}:`);
    for (const { name, note } of noted) console.log(`  ${name}\n    ${note.replaceAll("\n", "\n    ")}`);
  }
}

const baseline = join(scratch, "before.json");
await onTerminal([process.execPath, resolve(import.meta.dirname, "leftovers.ts"), "--record", baseline], scratch);
const started = performance.now();
await alone("build", build);
const names = Object.keys(KINDS).filter((name) => wanted.length === 0 || wanted.includes(name));
const shared = names.filter((name) => !ALONE.has(name));
const lanes = shared.length > 1 ? shared : [];
await inLanes(lanes);
for (const name of names) if (!lanes.includes(name)) await alone(name, KINDS[name] as Kind);
await alone("leftovers", leftovers(baseline));
printReport();
rmSync(scratch, { recursive: true, force: true });
console.log(`\nAll of it: ${((performance.now() - started) / 60_000).toFixed(1)} min`);
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
