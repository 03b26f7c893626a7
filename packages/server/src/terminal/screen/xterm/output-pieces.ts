const BEL = 0x07;
const ESC = 0x1b;
const BACKSLASH = 0x5c;
/** So many positions of one write are distinguished; what follows is reported at its end. */
const MAX_CUTS = 64;

/** Cut behind all that may have reported something, so that its offset is exact, and into slices. */
export function* pieces(bytes: Uint8Array, slice: number): Generator<Uint8Array> {
  let from = 0;
  for (let cuts = 0; cuts < MAX_CUTS; cuts++) {
    const bell = bytes.indexOf(BEL, from);
    let string = bytes.indexOf(BACKSLASH, from);
    while (string > 0 && bytes[string - 1] !== ESC) string = bytes.indexOf(BACKSLASH, string + 1);
    const next = bell < 0 ? string : string <= 0 ? bell : Math.min(bell, string);
    if (next < 0) break;
    yield* slices(bytes.subarray(from, next + 1), slice);
    from = next + 1;
  }
  yield* slices(bytes.subarray(from), slice);
}

function* slices(bytes: Uint8Array, slice: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += slice) yield bytes.subarray(at, at + slice);
}
