import { type ChildProcess, spawn } from "node:child_process";

/** A process that `up` started: the daemon or the server. */
export interface Launched {
  readonly pid: number;
  /** Resolves with the exit code; 128 + n where signal n ended it; 127 where it could not be started. */
  readonly ended: Promise<number>;
  kill(signal: "SIGTERM" | "SIGKILL"): void;
}

interface LaunchOptions {
  /** Open descriptors that take its output. */
  readonly stdout: number;
  readonly stderr: number;
  /** The whole environment of the process; ours when undefined. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a process in a session of its own, which lives on when we end. */
export function spawnDetached(command: readonly string[], options: LaunchOptions): Launched {
  return launch(command, options, true);
}

/**
 * Starts a process that ends with us: what ends us is passed on to it. It is in a session of its own all the same. One of ours
 * could open our terminal and type into it (TIOCSTI of tty_ioctl(4)), as root where root had started it.
 */
export function spawnForeground(command: readonly string[], options: LaunchOptions): Launched {
  const launched = launch(command, options, false);
  const end = () => launched.kill("SIGTERM");
  for (const signal of ENDINGS) process.on(signal, end);
  void launched.ended.then(() => {
    for (const signal of ENDINGS) process.off(signal, end);
  });
  return launched;
}

const ENDINGS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs a program to its end with our stdin and terminal, so that it can ask for a password. Resolves with its exit code, as `ended`. */
export function runInteractive(
  command: readonly string[],
  output: Pick<LaunchOptions, "stdout" | "stderr">,
): Promise<number> {
  const [program = "", ...args] = command;
  return exitCode(spawn(program, args, { stdio: ["inherit", output.stdout, output.stderr] }));
}

function launch(command: readonly string[], options: LaunchOptions, outlives: boolean): Launched {
  const [program, ...args] = command;
  if (program === undefined) throw new TypeError("an empty command");
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", options.stdout, options.stderr],
    ...(options.env ? { env: { ...options.env } } : {}),
  });
  const ended = exitCode(child);
  if (outlives) child.unref();
  return { pid: child.pid ?? 0, ended, kill: (signal) => void child.kill(signal) };
}

function exitCode(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.on("error", () => resolve(127));
    child.on("exit", (code, signal) => resolve(code ?? 128 + signalNumber(signal)));
  });
}

/** The two signals that end what we start; any other counts as SIGKILL's number. */
function signalNumber(signal: NodeJS.Signals | null): number {
  return { SIGTERM: 15, SIGINT: 2, SIGHUP: 1 }[signal as "SIGTERM"] ?? 9;
}
