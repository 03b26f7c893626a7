/** Counts of one runner, for the closing line. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Of a failure. */
const NOTED_LINES = 20;

export const lastLines = (output: string): string => output.trim().split("\n").slice(-NOTED_LINES).join("\n");

export const EMPTY_TALLY: Tally = { passed: 0, failed: 0, skipped: 0 };

export const addTally = (a: Tally, b: Tally): Tally => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
});

/** A runner that fails without counting a failure (a file that does not load, a crash) is one failure. */
const atLeastOneFailure = (tally: Tally, code: number): Tally =>
  code !== 0 && tally.failed === 0 ? { ...tally, failed: 1 } : tally;

/** vitest's JSON reporter: `numPassedTests`, `numFailedTests`, `numPendingTests`, `numTodoTests`. */
export function vitestTally(report: string, code: number): Tally {
  if (report === "") return atLeastOneFailure(EMPTY_TALLY, code);
  const counts = JSON.parse(report) as Record<string, number>;
  const tally = {
    passed: counts.numPassedTests ?? 0,
    failed: counts.numFailedTests ?? 0,
    skipped: (counts.numPendingTests ?? 0) + (counts.numTodoTests ?? 0),
  };
  return atLeastOneFailure(tally, code);
}

/** cargo test's lines: `test result: ok. 12 passed; 0 failed; 1 ignored; …`, one per binary. */
export function cargoTally(output: string, code: number): Tally {
  let tally = EMPTY_TALLY;
  for (const [, passed, failed, ignored] of output.matchAll(
    /^test result: \S+ (\d+) passed; (\d+) failed; (\d+) ignored/gm,
  )) {
    tally = addTally(tally, { passed: Number(passed), failed: Number(failed), skipped: Number(ignored) });
  }
  return atLeastOneFailure(tally, code);
}

/** What each failed test of cargo's printed, by its name; the last lines of it. */
export function cargoFailures(output: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  // `failures:` begins two lists of a binary: what each printed, and the names alone.
  for (const [, names = ""] of output.matchAll(/^failures:\n((?: {4}\S+\n)+)/gm)) {
    for (const name of names.trim().split(/\s+/)) found.set(name, "");
  }
  for (const [, name = "", text = ""] of output.matchAll(
    /^---- (\S+) stdout ----\n([\s\S]*?)(?=^---- |^failures:)/gm,
  )) {
    if (found.has(name)) found.set(name, lastLines(text));
  }
  return found;
}

/** How long one test, or the set-up of one file of tests, took. */
export interface Timing {
  readonly name: string;
  readonly ms: number;
}

/** cargo names a binary on standard error before its tests run, and ends it with `finished in 1.23s`. */
export function cargoTimings(output: string): readonly Timing[] {
  const found: Timing[] = [];
  let binary = "";
  for (const line of output.split("\n")) {
    binary = /^\s+(?:Running|Doc-tests) (.+?)(?: \(|$)/.exec(line)?.[1] ?? binary;
    const seconds = /^test result: .*; finished in ([\d.]+)s$/.exec(line)?.[1];
    if (seconds !== undefined) found.push({ name: `cargo test: ${binary}`, ms: Number(seconds) * 1000 });
  }
  return found;
}
