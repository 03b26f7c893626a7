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
