/** Tells old output, which must not ring, from new: after a connect the server sends again what there was. */
export interface Replay {
  /** Output before this offset is old. */
  until(end: bigint): void;
  drawn(offset: bigint): void;
  readonly isReplaying: boolean;
}

export const createReplay = (): Replay => {
  let end = 0n;
  let offset = 0n;
  return {
    until(newEnd) {
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

/** Cuts a chunk where old output ends, so that what comes first after it is new. */
export const splitAt = (chunk: Uint8Array, offset: bigint, boundary: bigint): readonly Uint8Array[] => {
  const cut = boundary - offset;
  if (cut <= 0n || cut >= BigInt(chunk.length)) return [chunk];
  return [chunk.subarray(0, Number(cut)), chunk.subarray(Number(cut))];
};
