/** A test that is one command. */
import type { Run } from "./command.ts";
import { lastLines, type Tally } from "./tally.ts";

export interface Check {
  readonly name: string;
  readonly command: readonly string[];
  readonly cwd: string;
}

export async function check(run: Run, { name, command, cwd }: Check): Promise<Tally> {
  const { code, output, print } = await run(command, cwd);
  print(`${code === 0 ? "✓" : "✗"} ${name}\n`);
  if (code === 0) return { passed: 1, failed: 0, skipped: 0 };
  run.report({ kind: "failed", name, note: lastLines(output) });
  return { passed: 0, failed: 1, skipped: 0 };
}
