import { userInfo } from "node:os";
import { systemCode } from "@microterm/host";
import { ERRORS, PlatformError, plainText } from "@microterm/protocol";

/** Set-up speaks on stderr; stdout is left for the one line with the address. */
export interface Progress {
  /** Names what is being done; shown at once, because it may take minutes. */
  step(text: string): Step;
  note(text: string): void;
}

interface Step {
  update(text: string): void;
  done(text?: string): void;
  /** Done, with an unwelcome result. */
  warn(text: string): void;
}

/** The step that is under way: there is one terminal, and one thing done at a time. */
let underWay: { fail(): void } | null = null;

export function createProgress(out: NodeJS.WriteStream = process.stderr): Progress {
  return {
    note: (text) => void out.write(`${text}\n`),
    step(text) {
      const end = (mark: string, result?: string) => {
        underWay = null;
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        const line = `  ${mark} ${text}${result ? `: ${result}` : ""} (${seconds} s)\n`;
        out.write(live ? `\r\u001b[K${line}` : line);
      };
      underWay = { fail: () => end("✗") };
      const started = performance.now();
      const live = out.isTTY === true;
      if (live) out.write(`  … ${text}`);
      else out.write(`  ${text} …\n`);
      return {
        update(detail) {
          if (!live) return;
          const width = (out.columns || 80) - text.length - 8;
          const shown = plainText(detail, { layout: "spaced" }).slice(0, Math.max(0, width));
          out.write(`\r\u001b[K  … ${text}  ${shown}`);
        },
        done: (result) => end("✓", result),
        warn: (result) => end("!", result),
      };
    },
  };
}

/** Of what others say: {@link plainText}. */
export const SHOWN = { layout: "lines", max: 500 } as const;

/** A failure of set-up that a person can fix. */
export class SetupError extends Error {
  override readonly name = "SetupError";
  readonly hint: string;

  constructor(message: string, hint: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.hint = hint;
  }
}

/** Any text as part of one line, without an end of its own: compilers, guests and the kernel give several. */
export const oneLine = (text: string): string =>
  plainText(text, SHOWN)
    .replaceAll(/\s+/g, " ")
    .replace(/[.;:]+$/, "");

/** Ends what is under way, and says what failed, the end of a log where one tells more, and what to do. */
export function explainFailure(error: unknown, verb: string): string {
  underWay?.fail();
  const { message, hint } = describe(error, verb);
  const [first = "", ...more] = message.trimEnd().split("\n");
  const rest = more.map((line) => `    ${bare(line)}\n`).join("");
  return `microterm: ${bare(first)}\n${rest}${hint === null ? "" : `  Try: ${bare(hint)}\n`}`;
}

/** Whatever a message quotes, of a compiler, a log or a daemon that may be another program's, does nothing to the terminal. */
const bare = (line: string): string => plainText(line, { layout: "lines" });

function describe(error: unknown, verb: string): { message: string; hint: string | null } {
  if (error instanceof SetupError) return error;
  if (error instanceof PlatformError) return { message: error.message, hint: ERRORS[error.code].hint };
  const code = systemCode(error);
  // The system's own words name the call and the path.
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
  if (code === "EACCES" || code === "EPERM") {
    const { uid, username } = userInfo();
    return {
      message: `${message} (as ${username})`,
      hint:
        uid === 0
          ? "./microterm doctor"
          : `run it as the user who started microterm, or as root: sudo ./microterm ${verb} --data DIR`,
    };
  }
  if (code !== undefined && /^E[A-Z0-9]+$/.test(code)) return { message, hint: "./microterm doctor" };
  return { message: stack ?? message, hint: null };
}
