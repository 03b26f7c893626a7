/**
 * A vitest reporter of the tests that passed only at their second try (vitest.config.ts says which get one): each by its name and
 * what the first try said, on the terminal and, for the closing lines of tests/run.ts, in the file MICROTERM_RETRIES.
 */
import { appendFileSync } from "node:fs";
import type { Reporter, TestCase } from "vitest/node";

export default class Retries implements Reporter {
  onTestCaseResult(test: TestCase): void {
    if (test.diagnostic()?.flaky !== true) return;
    const first = test.result().errors?.[0]?.message ?? "no error";
    const text = `  ${test.module.relativeModuleId} > ${test.fullName}\n    ${first.replaceAll("\n", "\n    ")}\n`;
    console.log(`Passed only at the second try:\n${text}`);
    if (process.env.MICROTERM_RETRIES) appendFileSync(process.env.MICROTERM_RETRIES, text);
  }
}
