/** Set-up speaks on stderr; stdout is left for the one line with the address. */
export interface Progress {
  /** Names what is being done; shown at once, because it may take minutes. */
  step(text: string): Step;
  note(text: string): void;
}

interface Step {
  update(text: string): void;
  done(text?: string): void;
}

export function createProgress(out: NodeJS.WriteStream = process.stderr): Progress {
  return {
    note: (text) => void out.write(`${text}\n`),
    step(text) {
      const started = performance.now();
      const live = out.isTTY === true;
      if (live) out.write(`  … ${text}`);
      else out.write(`  ${text} …\n`);
      return {
        update(detail) {
          if (!live) return;
          const width = (out.columns ?? 80) - text.length - 8;
          const shown = detail.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, " ").slice(0, Math.max(0, width));
          out.write(`\r\u001b[K  … ${text}  ${shown}`);
        },
        done(result) {
          const seconds = ((performance.now() - started) / 1000).toFixed(1);
          const line = `  ✓ ${text}${result ? `: ${result}` : ""} (${seconds} s)\n`;
          out.write(live ? `\r\u001b[K${line}` : line);
        },
      };
    },
  };
}

/** A failure of set-up that a person can mend. */
export class SetupError extends Error {
  override readonly name = "SetupError";
  readonly mend: string;

  constructor(message: string, mend: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.mend = mend;
  }
}
