import type { Command } from "commander";

/** A verb; its module is loaded when it is called, so that `ls` does not pay for `cp`. */
export function verb(program: Command, usage: string, summary: string): Command {
  return program
    .command(usage)
    .summary(summary)
    .description(summary)
    .option("--data <dir>", "data folder of the server (also MICROTERM_DATA)");
}
