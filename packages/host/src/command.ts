import { type ChildProcess, spawn } from "node:child_process";
import { StringDecoder } from "node:string_decoder";

/** How a command ended. `code` is null when a signal ended it, `signal` null otherwise. */
export interface CommandResult {
  readonly code: number | null;
  readonly signal: string | null;
  /** The last `tailBytes` of each stream, decoded as UTF-8. */
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  /** The whole environment of the command; the caller's own when absent. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the command with all its children; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Each line as it comes, without its end. A longer one than 64 KiB is cut into several. */
  readonly onLine?: (line: string, stream: "stdout" | "stderr") => void;
  /** How much of each stream is kept, in bytes; 64 KiB when absent. */
  readonly tailBytes?: number;
}

const TAIL_BYTES = 65_536;
const LINE_LENGTH = 65_536;
/** A package manager removes its temporary files on SIGTERM, which takes seconds on a slow disk. */
const GRACE_MS = 10_000;

/** Keeps the end of a stream and cuts it into lines. */
function follow(limit: number, onLine: (line: string) => void) {
  const decoder = new StringDecoder("utf8");
  let tail = Buffer.alloc(0);
  let open = "";
  return {
    write(chunk: Buffer) {
      tail = Buffer.concat([tail, chunk]);
      if (tail.length > limit) tail = tail.subarray(tail.length - limit);
      open += decoder.write(chunk);
      const lines = open.split(/\r?\n/);
      open = lines.pop() as string;
      for (const line of lines) onLine(line);
      while (open.length > LINE_LENGTH) {
        onLine(open.slice(0, LINE_LENGTH));
        open = open.slice(LINE_LENGTH);
      }
    },
    end(): string {
      if (open !== "") onLine(open);
      return tail.toString("utf8");
    },
  };
}

/** Signals the command's whole process group; it is the leader of one of its own. */
function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // The group has gone already.
  }
}

/**
 * Runs a program (no shell) to its end, with no stdin. Should this process die, even by SIGKILL, the program gets SIGTERM
 * (PR_SET_PDEATHSIG, set by util-linux's setpriv), so that it cleans up after itself.
 *
 * Any exit status resolves. Rejects with the code `ENOENT` when there is no such program, and with the abort signal's
 * reason once all has ended.
 */
export async function runCommand(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  options.signal?.throwIfAborted();
  const [program, ...args] = command;
  if (program === undefined) throw new RangeError("an empty command");
  const child = spawn("setpriv", ["--pdeathsig", "TERM", "--", program, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: { ...options.env } }),
  });
  const limit = options.tailBytes ?? TAIL_BYTES;
  const stdout = follow(limit, (line) => options.onLine?.(line, "stdout"));
  const stderr = follow(limit, (line) => options.onLine?.(line, "stderr"));
  child.stdout.on("data", stdout.write);
  child.stderr.on("data", stderr.write);
  let grace: NodeJS.Timeout | undefined;
  const abort = () => {
    signalGroup(child, "SIGTERM");
    grace ??= setTimeout(() => signalGroup(child, "SIGKILL"), GRACE_MS);
  };
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve([code, signal]));
    });
    options.signal?.throwIfAborted();
    const result = { code, signal, stdout: stdout.end(), stderr: stderr.end() };
    if (code === 127 && result.stderr.startsWith("setpriv: failed to execute")) {
      throw Object.assign(new Error(`there is no program ${program}`), { code: "ENOENT" });
    }
    return result;
  } finally {
    clearTimeout(grace);
    options.signal?.removeEventListener("abort", abort);
  }
}

/** `runCommand` in the shape of the ports that ask for one. */
export const commandRunner = { run: runCommand } as const;
