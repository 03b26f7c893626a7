export interface StartNotes {
  /** A restarted server has begun it again. One that is interrupted twice is given up. */
  readonly isInterrupted: boolean;
  /** Why there is a second attempt; null in the first. */
  readonly retry: string | null;
  /** What else a person should know, such as why it boots instead of being restored. */
  readonly remark?: string | null;
}

/** The `reason` of a start that is under way: whatever a person should know about it; null where that is nothing. */
export function remarkOn(notes: StartNotes): string | null {
  const remarks = [
    ...(notes.isInterrupted ? ["resumed after a restart"] : []),
    ...(notes.remark == null ? [] : [notes.remark]),
    ...(notes.retry === null ? [] : [`second attempt: ${notes.retry}`]),
  ];
  return remarks.length === 0 ? null : remarks.join("; ");
}
