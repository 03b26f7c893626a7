import type { pino } from "pino";

/** What is under way here must not go on; the next start is a new server of the fleet. */
export function exit(log: pino.Logger, why: string): never {
  log.fatal(why);
  process.stderr.write(`microterm server: ${why}\n`);
  process.exit(1);
}

/** Crash-only: a process in an unforeseen state is not to be trusted; the next start repairs what it left. */
export function exitOnBugs(log: pino.Logger): void {
  const die = (kind: string) => (error: unknown) => {
    log.fatal({ err: error }, kind);
    process.stderr.write(`microterm server: ${kind}: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  };
  process.on("uncaughtException", die("uncaught exception"));
  process.on("unhandledRejection", die("unhandled rejection"));
}
