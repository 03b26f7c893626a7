/** The first bytes of an LZ4 legacy frame (lz4_Frame_format.md, "Legacy frame"): 0x184C2102, little-endian. */
export const LZ4_LEGACY_MAGIC = 0x184c2102;

/** A legacy frame's blocks hold at most this much each; the format's constant. */
const BLOCK_BYTES = 8 << 20;

/** Decodes one LZ4 block (lz4_Block_format.md) into `out` at `start`; returns where it ended. */
function decodeBlock(block: Uint8Array, out: Uint8Array, start: number): number {
  let from = 0;
  let to = start;
  const byte = () => {
    const value = block[from++];
    if (value === undefined) throw new RangeError("LZ4: the block ends too early");
    return value;
  };
  const length = (nibble: number) => {
    let total = nibble;
    if (nibble === 15) {
      let more: number;
      do {
        more = byte();
        total += more;
      } while (more === 255);
    }
    return total;
  };
  while (from < block.length) {
    const token = byte();
    const literals = length(token >> 4);
    if (from + literals > block.length || to + literals > out.length) throw new RangeError("LZ4: literals overrun");
    out.set(block.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    // The last sequence is literals only.
    if (from === block.length) break;
    const distance = byte() | (byte() << 8);
    const match = length(token & 15) + 4;
    if (distance === 0 || distance > to - start || to + match > out.length) throw new RangeError("LZ4: bad match");
    if (distance >= match) {
      out.copyWithin(to, to - distance, to - distance + match);
      to += match;
    } else {
      // A match may overlap its own output: that is how runs are written.
      for (let end = to + match; to < end; to++) out[to] = out[to - distance] as number;
    }
  }
  return to;
}

/**
 * Decodes an LZ4 legacy frame, the form in which Debian's kernels are packed.
 *
 * @param size the length of the result in bytes, which the frame does not carry.
 * @throws RangeError when the input is malformed or does not give exactly `size` bytes.
 */
export function decodeLz4Legacy(frame: Uint8Array, size: number): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 4 || view.getUint32(0, true) !== LZ4_LEGACY_MAGIC) throw new RangeError("LZ4: no legacy frame");
  const out = new Uint8Array(size);
  let at = 4;
  let end = 0;
  while (at + 4 <= frame.length && end < size) {
    const blockSize = view.getUint32(at, true);
    at += 4;
    if (blockSize === 0 || at + blockSize > frame.length) throw new RangeError("LZ4: the frame ends too early");
    const limit = Math.min(size, end + BLOCK_BYTES);
    end = decodeBlock(frame.subarray(at, at + blockSize), out.subarray(0, limit), end);
    at += blockSize;
  }
  if (end !== size) throw new RangeError(`LZ4: ${end} bytes instead of ${size}`);
  return out;
}
