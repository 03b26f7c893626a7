import { expect, it } from "vitest";
import { closeFrame, FrameEnds } from "./frame-ends.ts";

/** RFC 6455, section 5.2. */
function frame(length: number, isMasked = false): Buffer {
  const long = Buffer.alloc(length < 126 ? 0 : length < 65_536 ? 2 : 8);
  if (long.length === 2) long.writeUInt16BE(length);
  if (long.length === 8) long.writeBigUInt64BE(BigInt(length));
  const short = long.length === 0 ? length : long.length === 2 ? 126 : 127;
  const header = Buffer.from([0x82, short | (isMasked ? 0x80 : 0)]);
  return Buffer.concat([header, long, Buffer.alloc(isMasked ? 4 : 0), Buffer.alloc(length)]);
}

it.each([0, 1, 125, 126, 65_535, 65_536, 200_000])(
  "knows where a frame of %i bytes ends, however it comes",
  (length) => {
    for (const one of [frame(length), frame(length, true)]) {
      const ends = new FrameEnds();
      for (let at = 0; at < one.length; at += 7) {
        expect(ends.isAtEnd).toBe(at === 0);
        ends.pass(one.subarray(at, at + 7));
      }
      expect(ends.isAtEnd).toBe(true);
    }
  },
);

it("stops at the end of the frame that is under way", () => {
  const ends = new FrameEnds();
  const [first, second] = [frame(300), frame(10)];
  ends.pass(first.subarray(0, 100));
  const rest = Buffer.concat([first.subarray(100), second]);
  expect(ends.pass(rest, true)).toBe(first.length - 100);
  expect(ends.isAtEnd).toBe(true);
});

it("makes a frame that says why a connection ends", () => {
  const text = "the server is shutting down";
  expect(closeFrame(1012, text)).toEqual(
    Buffer.concat([Buffer.from([0x88, 2 + text.length, 1012 >> 8, 1012 & 0xff]), Buffer.from(text)]),
  );
});
