import { writeSync } from "node:fs";
import { type ErrorDetails, hintOf, PlatformError, plainText } from "@microterm/protocol";
import { AnswerError, ConnectionError, RequestError } from "@microterm/sdk";

/** Exit codes besides a remote command's own. */
export const EXIT = {
  failure: 1,
  usage: 2,
  /** `exec`: an error of ours, as in Docker. */
  ownError: 125,
  notExecutable: 126,
  notFound: 127,
  /** Plus a signal's number: the program was ended by it. */
  signalled: 128,
} as const;

/** An error with what to do next: `hint` is a sentence, or a command that begins with `./microterm`. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly hint: string | null;
  readonly exitCode: number | null;

  constructor(
    message: string,
    options: { readonly hint?: string; readonly exitCode?: number; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.hint = options.hint ?? null;
    this.exitCode = options.exitCode ?? null;
  }
}

/** What was wrong, with which value, and what to do next. */
export function explain(error: unknown): string {
  const { message, hint } = describe(error);
  const advice = hint === null ? "" : `\n  ${hint.startsWith("./microterm") ? `Try: ${hint}` : hint}`;
  const id = error instanceof RequestError ? error.requestId : null;
  const origin = id === null ? "" : `\n  The server's log has more under request ${id}.`;
  return `microterm: ${plainText(message)}${plainText(`${advice}${origin}`, { layout: "lines" })}`;
}

function describe(error: unknown): { message: string; hint: string | null } {
  if (error instanceof CliError) return { message: error.message, hint: error.hint };
  if (error instanceof RequestError && error.code === "UNAUTHENTICATED" && !process.env.MICROTERM_URL) {
    // The token was the data folder's own: `up` starts a server again that does not take it.
    return { message: error.message, hint: "./microterm up" };
  }
  if (error instanceof RequestError) return { message: error.message, hint: nextCommand(error.details) ?? error.hint };
  if (error instanceof PlatformError) return { message: error.message, hint: hintOf(error) };
  if (error instanceof ConnectionError) return { message: error.message, hint: "./microterm up" };
  if (error instanceof AnswerError) {
    return { message: error.message, hint: "Is it a microterm server, and of this version? See './microterm status'." };
  }
  if (isBrokenBody(error)) return { message: "The connection to the server broke.", hint: "./microterm up" };
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    // Errors of the operating system name the call, the code and the path.
    return { message: error.message, hint: null };
  }
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error), hint: null };
}

/** What brings an environment to where most verbs want it; null where that is not a command. */
export function nextCommand({ name, state }: Pick<ErrorDetails, "name" | "state">): string | null {
  if (name === undefined) return null;
  switch (state) {
    case "paused":
      return `./microterm resume ${name}`;
    case "stopped":
    case "failed":
      return `./microterm start ${name}`;
    default:
      return null;
  }
}

/** What fetch() throws when an answer ends too early; it says "terminated" and keeps the reason to itself. */
function isBrokenBody(error: unknown): boolean {
  return error instanceof TypeError && error.cause instanceof Error && "code" in error.cause;
}

/** Prints an error and ends the process. Code that changed a terminal's mode has restored it before. */
export function fail(error: unknown, exitCode: number): never {
  say(explain(error));
  process.exit(error instanceof CliError && error.exitCode !== null ? error.exitCode : exitCode);
}

/** One line for the person, on stderr; a stderr that is gone is no error of its own. */
export function say(text: string): void {
  try {
    writeSync(2, `${text}\n`);
  } catch {}
}
