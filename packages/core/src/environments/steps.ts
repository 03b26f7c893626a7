/** What a row is when nothing is being done to it, whichever state that leaves it in. */
export const AT_REST = { operation: null, step: null, interruptions: 0 } as const;

export interface BootNotes {
  /** A restarted server has begun it again. One that is interrupted twice is given up. */
  readonly isResumed: boolean;
  /** Why there is a second attempt; null in the first. */
  readonly retry: string | null;
  /** What else a person should know, such as why it boots instead of being restored. */
  readonly remark?: string | null;
}

/** The `reason` of a start that is under way: whatever a person should know about it; null where that is nothing. */
export function remarkOn(notes: BootNotes): string | null {
  const said = [
    ...(notes.isResumed ? ["resumed after a restart"] : []),
    ...(notes.remark == null ? [] : [notes.remark]),
    ...(notes.retry === null ? [] : [`second attempt: ${notes.retry}`]),
  ];
  return said.length === 0 ? null : said.join("; ");
}
