import { type ExecRequest, plainText } from "@microterm/protocol";
import type { Client, ExecResult, ExecSession } from "@microterm/sdk";
import { CliError, EXIT, say } from "../failure.ts";
import { connect, type ServerOptions } from "../server-address.ts";
import { flushed, writeFully } from "../streams.ts";
import { OwnTty } from "../terminal/own-tty.ts";
import { forwardSignals, UnansweredInterrupts } from "./exec-signals.ts";

/** Of a command's streams and surroundings. */
export interface CommandOptions {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly env?: readonly string[];
  readonly workdir?: string;
}

export type ExecOptions = ServerOptions & CommandOptions;

const SIGINT = 2;
const SIGPIPE = 13;

export async function exec(name: string, words: readonly string[], options: ExecOptions): Promise<void> {
  const command = words[0] === "--" ? words.slice(1) : [...words];
  if (command.length === 0) throw new CliError("exec needs a command.", { hint: `./microterm exec ${name} -- ls` });
  const code = await execute(connect(options), name, { command, options: checked(options) });
  // Standard input may still be open, which would keep the process waiting for it.
  process.exit(code);
}

/** @throws CliError for options that do not go together */
export function checked<T extends CommandOptions>(options: T): T {
  if (options.tty === true && options.interactive === true && !process.stdin.isTTY) {
    throw new CliError("Standard input is no terminal, which -it needs.", { hint: "Use -i without -t." });
  }
  return options;
}

interface Execution {
  readonly command: readonly string[];
  readonly options: CommandOptions;
}

/**
 * Runs a command with the streams of this process. Resolves with its exit code, or with that of a signal by which this process
 * was to end and the command did not; then the caller has to end it.
 */
export async function execute(client: Client, name: string, { command, options }: Execution): Promise<number> {
  const request: ExecRequest = {
    command: [...command],
    ...(options.env === undefined ? {} : { env: parseEnv(options.env, process.env) }),
    ...(options.workdir === undefined ? {} : { cwd: options.workdir }),
    tty: options.tty === true ? { cols: process.stdout.columns ?? 80, rows: process.stdout.rows ?? 24 } : null,
  };
  const interrupts = new UnansweredInterrupts();
  const print = (stream: NodeJS.WriteStream) => (bytes: Uint8Array) => {
    interrupts.answered();
    return writeFully(stream, bytes);
  };
  const session = client.exec(name, {
    request,
    onStdout: print(process.stdout),
    onStderr: print(process.stderr),
    onStarted: () => interrupts.answered(),
  });
  const left = Promise.withResolvers<number>();
  const leave = (signal: number) => {
    session.close();
    left.resolve(EXIT.signalled + signal);
  };
  // A reader that has gone, as in `exec … | head`, ends the command as a pipe would.
  process.stdout.on("error", () => leave(SIGPIPE));
  const tty = options.tty === true && options.interactive === true ? new OwnTty({ undo: () => "" }) : null;
  tty?.enter();
  const forget = tty === null ? forwardSignals({ session, leave }) : forwardSize(session);
  try {
    if (tty !== null) forwardKeys(session, interrupts, () => leave(SIGINT));
    else if (options.interactive === true) forwardInput(session);
    else session.end();
    const ended = async (): Promise<number> => {
      const code = exitCodeOf(await session.result);
      await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
      return code;
    };
    return await Promise.race([ended(), left.promise]);
  } finally {
    forget();
    tty?.restore();
  }
}

/** `K=V`, or `K` for the value it has here. @throws CliError */
export function parseEnv(
  pairs: readonly string[],
  own: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    const key = at === -1 ? pair : pair.slice(0, at);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) {
      throw new CliError(`--env ${pair} does not begin with a variable's name.`, { hint: "Write it like -e LANG=C" });
    }
    const value = at === -1 ? own[key] : pair.slice(at + 1);
    if (value !== undefined) env[key] = value;
  }
  return env;
}

function exitCodeOf(result: ExecResult): number {
  if (result.kind === "exited") {
    return result.exit.signal === null ? (result.exit.code ?? 0) : EXIT.signalled + result.exit.signal;
  }
  say(`microterm: ${plainText(result.failure.message)}`);
  return result.failure.code === "not-found" ? EXIT.notFound : EXIT.notExecutable;
}

function forwardInput(session: ExecSession): void {
  process.stdin.on("data", (bytes: Buffer) => {
    process.stdin.pause();
    void session.write(new Uint8Array(bytes)).then(() => process.stdin.resume());
  });
  process.stdin.on("end", () => session.end());
  process.stdin.on("error", () => session.end());
}

/** A person types little: nothing holds the keys back, so that Ctrl-C is seen whatever the network does. */
function forwardKeys(session: ExecSession, interrupts: UnansweredInterrupts, leave: () => void): void {
  process.stdin.on("data", (bytes: Buffer) => {
    if (interrupts.typed(bytes)) leave();
    else void session.write(new Uint8Array(bytes));
  });
  process.stdin.on("end", () => session.end());
}

function forwardSize(session: ExecSession): () => void {
  const resize = () => session.resize(process.stdout.columns ?? 80, process.stdout.rows ?? 24);
  process.stdout.on("resize", resize);
  return () => process.stdout.off("resize", resize);
}
