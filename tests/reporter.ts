/**
 * A vitest reporter for the closing lines of tests/run.ts: a line of JSON for each test and each file in the file
 * MICROTERM_REPORT. On the terminal it prints tests that passed only at their second try (vitest.config.ts says which get one), each
 * with what the first try said.
 */
import { appendFileSync } from "node:fs";
import { relative } from "node:path";
import type { Reporter, SerializedError, TestCase, TestModule } from "vitest/node";
import type { Timing } from "./tally.ts";

export type ReportLine =
  | (Timing & { readonly kind: "time" })
  | { readonly kind: "retried" | "skipped" | "failed"; readonly name: string; readonly note: string };

export default class Report implements Reporter {
  onTestCaseResult(test: TestCase): void {
    const name = `${test.module.relativeModuleId} > ${test.fullName}`;
    const result = test.result();
    if (result.state === "skipped") {
      write({ kind: "skipped", name, note: result.note ?? "" });
      return;
    }
    if (result.state === "failed") write({ kind: "failed", name, note: messages(result.errors) });
    const diagnostic = test.diagnostic();
    write({ kind: "time", name, ms: diagnostic?.duration ?? 0 });
    if (diagnostic?.flaky !== true) return;
    const note = result.errors?.[0]?.message ?? "no error";
    console.log(`Passed only at the second try:\n  ${name}\n    ${note.replaceAll("\n", "\n    ")}`);
    write({ kind: "retried", name, note });
  }

  /** What a file takes besides its tests: imports, and what its `beforeAll` and `afterAll` start and end. */
  onTestModuleEnd(module: TestModule): void {
    const errors = module.errors();
    if (errors.length > 0) write({ kind: "failed", name: module.relativeModuleId, note: messages(errors) });
    for (const suite of module.children.allSuites()) {
      const broken = suite.errors();
      if (broken.length > 0)
        write({ kind: "failed", name: `${module.relativeModuleId} > ${suite.fullName}`, note: messages(broken) });
    }
    const { collectDuration, setupDuration, duration } = module.diagnostic();
    const tests = [...module.children.allTests()].reduce((sum, test) => sum + (test.diagnostic()?.duration ?? 0), 0);
    const ms = collectDuration + setupDuration + Math.max(0, duration - tests);
    write({ kind: "time", name: `${module.relativeModuleId} (set-up and end)`, ms });
  }

  /** A promise that nothing awaited, or an exception outside of every test, fails the run though every test has passed. */
  onTestRunEnd(_: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    for (const error of unhandled) {
      const where = error.VITEST_TEST_PATH;
      const file = typeof where === "string" ? relative(process.cwd(), where) : "no file";
      write({ kind: "failed", name: `${file} (outside of its tests)`, note: messages([error]) });
    }
  }
}

/** The first line of each stack says where. */
function messages(
  errors: readonly {
    readonly message: string;
    readonly stacks?: readonly { readonly file: string; readonly line: number }[];
  }[],
): string {
  return errors
    .map(({ message, stacks }) => `${message}${stacks?.[0] ? `\n  at ${stacks[0].file}:${stacks[0].line}` : ""}`)
    .join("\n");
}

function write(line: ReportLine): void {
  if (process.env.MICROTERM_REPORT) appendFileSync(process.env.MICROTERM_REPORT, `${JSON.stringify(line)}\n`);
}
