import type { Log } from "@microterm/core";

/** Keeps what was logged, for a test's own checks. */
export function createQuietLog(): Log & { readonly lines: readonly string[] } {
  const lines: string[] = [];
  const add =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
    };
  return { lines, info: add("info"), warn: add("warn"), error: add("error") };
}
