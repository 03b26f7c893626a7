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
  /** Each line as it comes, without its end. A line longer than 64 KiB is cut into several. */
  readonly onLine?: (line: string, stream: "stdout" | "stderr") => void;
  /** How much of each stream is kept, in bytes; 64 KiB when absent. */
  readonly tailBytes?: number;
}

/**
 * The port through which this package starts programs. Only packages/host may touch processes, so its `runCommand` is
 * handed in. Rejects with the code `ENOENT` when there is no such program; any exit status resolves.
 */
export interface CommandRunner {
  run(command: readonly string[], options?: CommandOptions): Promise<CommandResult>;
}
