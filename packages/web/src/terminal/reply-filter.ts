/**
 * Tells a person's typing from xterm.js's own answers to queries (DA, DSR, DECRQM, OSC 10/11, focus reports …). While
 * old output is drawn, answers are withheld: they were given when the query was new.
 *
 * xterm.js announces typing by `onUserInput` just before the `onData` that carries it; an answer has no announcement.
 */
export interface ReplyFilter {
  userInput(): void;
  /** What the `onData` that comes now is; an answer to an old query must not be sent. */
  judge(): "typed" | "answer" | "old answer";
  /** Output before this offset is old. */
  replayUntil(end: bigint): void;
  drawn(offset: bigint): void;
  readonly isReplaying: boolean;
}

export const createReplyFilter = (): ReplyFilter => {
  let isTyped = false;
  let end = 0n;
  let offset = 0n;
  return {
    userInput() {
      isTyped = true;
    },
    judge() {
      const wasTyped = isTyped;
      isTyped = false;
      if (wasTyped) return "typed";
      return offset >= end ? "answer" : "old answer";
    },
    replayUntil(newEnd) {
      end = newEnd;
    },
    drawn(newOffset) {
      offset = newOffset;
    },
    get isReplaying() {
      return offset < end;
    },
  };
};

/** Cuts a chunk where old output ends, so that the first new query is answered. */
export const splitAt = (chunk: Uint8Array, offset: bigint, boundary: bigint): readonly Uint8Array[] => {
  const cut = boundary - offset;
  if (cut <= 0n || cut >= BigInt(chunk.length)) return [chunk];
  return [chunk.subarray(0, Number(cut)), chunk.subarray(Number(cut))];
};
