import type { BootStep } from "@microterm/protocol";

/**
 * `reason` of a `running` environment whose power-off is under way: the intention survives a restart of the server. With a `saveId`
 * the stop was asked for while its memory was being saved, and comes when that has ended, in whatever way.
 */
export const STOPPING = "stopping";

/** The same of a pause: `saveId` names what is being saved. */
export const PAUSING = "pausing";

/** Marks a boot that a restarted server began again. A boot that is interrupted twice is given up. */
const RESUMED = "resumed after a restart";

export interface BootNotes {
  readonly isResumed: boolean;
  /** Why there is a second attempt; null in the first. */
  readonly retry: string | null;
  /** What else a person should know, such as why it boots instead of being restored. */
  readonly remark?: string | null;
}

/** `reason` while `creating`: the step, then in parentheses whatever a person should know about this boot. */
export function stepReason(step: BootStep, notes: BootNotes): string {
  const said = [
    ...(notes.isResumed ? [RESUMED] : []),
    ...(notes.remark == null ? [] : [notes.remark]),
    ...(notes.retry === null ? [] : [`second attempt: ${notes.retry}`]),
  ];
  return said.length === 0 ? step : `${step} (${said.join("; ")})`;
}

export function wasResumed(reason: string | null): boolean {
  return reason?.includes(RESUMED) ?? false;
}

const LONGEST_MESSAGE = 300;

/** An error in one line for a person. Messages may carry a guest's own words: bounded, no control characters. */
export function describeError(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error), LONGEST_MESSAGE);
}

/** The last line of a console with something on it, for a failure's reason; null when there is none. */
export function lastLine(console: Uint8Array): string | null {
  // ASCII is all a kernel prints; every other byte is dropped with the control characters.
  let text = "";
  for (const byte of console.subarray(-2048)) text += byte < 0x80 ? String.fromCharCode(byte) : "";
  const lines = text.split(/[\r\n]+/).map((line) => printable(line, 160));
  return lines.findLast((line) => line !== "") ?? null;
}

function printable(text: string, longest: number): string {
  const clean = text
    // CSI sequences whole (ECMA-48 5.4), then every control character that is left.
    .replace(/\u001b\[[0-?]*[ -/]*[@-~]/g, "")
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, " ")
    .trim();
  return clean.length > longest ? `${clean.slice(0, longest)}…` : clean;
}
