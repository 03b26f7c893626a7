import { plainText } from "@microterm/protocol";
import type { Client } from "@microterm/sdk";
import { onStderr } from "../colors.ts";
import { EXIT, explain, say } from "../failure.ts";
import { connect, type ServerOptions } from "../server-address.ts";
import { make, type Wish, waitUntilRunning } from "../verbs/create.ts";
import { type CommandOptions, checked, execute } from "./exec.ts";

export interface RunOptions extends ServerOptions, Wish, CommandOptions {
  /** Remove it once the command has ended, however that ended. */
  readonly rm?: boolean;
}

const SHELL = ["bash", "-l"];

/** Makes an environment, runs a command in it, and ends with the command's exit code. */
export async function run(words: readonly string[], options: RunOptions): Promise<void> {
  const wanted = words[0] === "--" ? words.slice(1) : words;
  const isShell = wanted.length === 0;
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
  // A shell without input would end at once.
  const commandOptions = checked(isShell ? { ...options, interactive: true, tty: isTerminal } : options);
  const client = connect(options);
  const made = await make(client, options);
  let isRemoved = false;
  const remove = async (): Promise<void> => {
    if (options.rm !== true || isRemoved) return;
    isRemoved = true;
    await removeQuietly(client, made.id, made.name);
  };
  // Signals that come while the command runs are the command's (execute), and this process goes on to here.
  const ending = (signal: number) => () => void remove().finally(() => process.exit(EXIT.signalled + signal));
  const hangUp = ending(1);
  const terminate = ending(15);
  process.on("SIGHUP", hangUp).on("SIGTERM", terminate);
  try {
    await waitUntilRunning(client, made, options.rm === true ? remove : undefined);
    process.off("SIGHUP", hangUp).off("SIGTERM", terminate);
    const code = await execute(client, made.id, { command: isShell ? SHELL : wanted, options: commandOptions });
    await remove();
    if (options.rm !== true && process.stderr.isTTY) {
      say(onStderr.dim(`${made.name} goes on. Type into it with: ./microterm attach ${made.name}`));
    }
    // Standard input may still be open, which would keep the process waiting for it.
    process.exit(code);
  } catch (error) {
    await remove();
    throw error;
  }
}

/** What cannot be removed is said, and the exit code stays the command's. */
async function removeQuietly(client: Client, id: string, name: string): Promise<void> {
  try {
    const { left } = await client.environments.remove(id);
    if (left.length > 0)
      say(`microterm: ${name} is removed, but for: ${left.map((item) => plainText(item)).join(", ")}`);
  } catch (error) {
    say(`${explain(error)}\n  ${name} is still there. Try: ./microterm rm ${name}`);
  }
}
