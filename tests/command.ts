/** Starts the commands of one kind of test. */
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { delimiter, dirname } from "node:path";
import type { ReportLine } from "./reporter.ts";

export interface Ran {
  readonly code: number;
  /** Standard output and standard error as they came. */
  readonly output: string;
  /** Adds a line of the suite's own behind it. */
  readonly print: (text: string) => void;
}

export interface Run {
  (command: readonly string[], cwd: string): Promise<Ran>;
  /** A folder for this run's files. */
  readonly scratch: string;
  /** Says more of a test than its count: for the closing lines. */
  readonly report: (line: ReportLine) => void;
}

export interface RunOptions {
  readonly scratch: string;
  /** The file of lines of JSON that reporter.ts writes to as well. */
  readonly report: string;
  /** Where output goes as it comes: a file, or the terminal when null. */
  readonly log: string | null;
  readonly env: Readonly<Record<string, string>>;
}

export function createRun({ scratch, report, log, env }: RunOptions): Run {
  const print = (text: string | Buffer): void => {
    if (log === null) process.stdout.write(text);
    else appendFileSync(log, text);
  };
  const run = ([program = "", ...args]: readonly string[], cwd: string): Promise<Ran> =>
    new Promise((resolve) => {
      const chunks: Buffer[] = [];
      const child = spawn(program, args, {
        cwd,
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`, ...env },
      });
      const take = (chunk: Buffer): void => {
        chunks.push(chunk);
        print(chunk);
      };
      child.stdout.on("data", take);
      child.stderr.on("data", take);
      const end = (code: number): void => resolve({ code, output: Buffer.concat(chunks).toString(), print });
      child.on("error", (error) => {
        print(`${program}: ${error.message}\n`);
        end(127);
      });
      // Not `close`: a process that a test left behind may hold the pipe, and is found by the search for leftovers.
      child.on("exit", (code) => setImmediate(() => end(code ?? 1)));
    });
  const append = (line: ReportLine): void => appendFileSync(report, `${JSON.stringify(line)}\n`);
  return Object.assign(run, { scratch, report: append });
}
