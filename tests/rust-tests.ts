/** Rust's formatter, linter and tests. */
import { obtainFirecracker } from "../support/firecracker-binaries.ts";
import { testCache } from "../support/test-image.ts";
import { check } from "./check.ts";
import type { Run } from "./command.ts";
import { addTally, cargoFailures, cargoTally, cargoTimings, lastLines, type Tally, type Timing } from "./tally.ts";

const TEST = ["cargo", "test", "--profile", "quick", "--locked", "--no-fail-fast"];

/** Debian's cargo-web comes without rustfmt and clippy; their packages are asked for by the test's needs, else it is a skip that says so. */
async function lint(run: Run, rust: string, name: string, command: readonly string[]): Promise<Tally> {
  const [, subcommand = ""] = command;
  const version = await run(["cargo", subcommand, "--version"], rust);
  if (version.code !== 0) {
    version.print(`- ${name} skipped: this machine's cargo has no ${subcommand}\n`);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  return check(run, { name, command, cwd: rust });
}

/** All tests; those that fail get one more try, as vitest's do, alone. */
export async function rustTests(run: Run, rust: string): Promise<Tally & { readonly timings: readonly Timing[] }> {
  let linted = await lint(run, rust, "rustfmt", ["cargo", "fmt", "--check"]);
  const clippy = ["cargo", "clippy", "--profile", "quick", "--locked", "--all-targets", "--", "-D", "warnings"];
  linted = addTally(linted, await lint(run, rust, "clippy", clippy));
  const found = await obtainFirecracker(testCache());
  const named =
    "absence" in found ? [] : [`MICROTERM_FIRECRACKER=${found.firecracker}`, `MICROTERM_JAILER=${found.jailer}`];
  const command = ["env", ...named, ...TEST];
  const first = await run(command, rust);
  if ("absence" in found) {
    first.print(`- tests of a real Firecracker skipped: ${found.absence}\n`);
    linted = addTally(linted, { passed: 0, failed: 0, skipped: 1 });
  }
  const timings = cargoTimings(first.output);
  let tally = cargoTally(first.output, first.code);
  const failures = cargoFailures(first.output);
  let failed = failures;
  // Without the name of each that failed there is nothing to try again.
  if (failures.size > 0 && failures.size === tally.failed) {
    const second = await run([...command, "--", "--exact", ...failures.keys()], rust);
    const again = cargoFailures(second.output);
    const { passed } = cargoTally(second.output, 0);
    if (passed + again.size === failures.size) {
      tally = { ...tally, passed: tally.passed + passed, failed: again.size };
      failed = again;
    }
  }
  // Nothing was compiled, or a binary has crashed.
  if (failures.size < tally.failed) run.report({ kind: "failed", name: "cargo test", note: lastLines(first.output) });
  for (const [name, note] of failures) {
    run.report({ kind: failed.has(name) ? "failed" : "retried", name: `cargo test: ${name}`, note });
  }
  return { ...addTally(linted, tally), timings };
}
