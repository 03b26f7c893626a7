import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ATTACH_FRAMES, EXEC_FRAMES, FrameDecoder, FrameError, type FrameShape } from "./frame-decoder.ts";
import { encodeFrame } from "./frame-encoder.ts";

interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

/** Cuts bytes at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length));
}

/** Decodes, and joins the pieces of a frame again. */
function decode(shapes: ReadonlyMap<number, FrameShape>, chunks: readonly Buffer[]): Frame[] {
  const decoder = new FrameDecoder(shapes);
  const frames: Frame[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let piece = decoder.next(); piece !== undefined; piece = decoder.next()) {
      if (piece.bodyOffset === 0) frames.push({ type: piece.type, payload: Buffer.concat([piece.head, piece.body]) });
      else {
        const last = frames.pop() as Frame;
        expect(last.payload.length - piece.head.length).toBe(piece.bodyOffset);
        frames.push({ type: last.type, payload: Buffer.concat([last.payload, piece.body]) });
      }
    }
  }
  expect(decoder.isIdle).toBe(true);
  return frames;
}

const frameOf = (shapes: ReadonlyMap<number, FrameShape>): fc.Arbitrary<Frame> =>
  fc
    .constantFrom(...shapes)
    .chain(([type, shape]) =>
      fc
        .uint8Array({ minLength: shape.min, maxLength: Math.min(shape.max, shape.min + 300) })
        .map((payload) => ({ type, payload: Buffer.from(payload) })),
    );

describe.each([
  ["attach", ATTACH_FRAMES],
  ["exec", EXEC_FRAMES],
] as const)("frames of an %s", (_name, shapes) => {
  it("come out as they went in, wherever the chunks end", () => {
    const frames = fc.array(frameOf(shapes), { maxLength: 20 });
    const cuts = fc.array(fc.nat(10_000), { maxLength: 60 });
    fc.assert(
      fc.property(frames, cuts, (sent, places) => {
        const bytes = Buffer.concat(sent.map(({ type, payload }) => encodeFrame(type, payload)));
        expect(decode(shapes, cut(bytes, places))).toEqual(sent);
      }),
    );
  });

  it("that are garbage end in a FrameError and nothing else", () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 });
    fc.assert(
      fc.property(chunks, (garbage) => {
        const decoder = new FrameDecoder(shapes);
        try {
          for (const chunk of garbage) {
            decoder.push(Buffer.from(chunk));
            while (decoder.next() !== undefined);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
    );
  });

  it("have the lengths that their types allow", () => {
    for (const [type, { min, max }] of shapes) {
      for (const length of [min - 1, max + 1, 2 ** 32 - 1].filter((wrong) => wrong >= 0)) {
        const header = Buffer.alloc(5);
        header[0] = type;
        header.writeUInt32BE(length, 1);
        const decoder = new FrameDecoder(shapes);
        decoder.push(header);
        expect(() => decoder.next()).toThrow(FrameError);
      }
    }
  });
});

it("hands on a streamed frame's bytes as they come, without a copy", () => {
  const decoder = new FrameDecoder(EXEC_FRAMES);
  const frame = encodeFrame(0x72, Buffer.from("hello world"));
  decoder.push(frame.subarray(0, 10));
  const first = decoder.next();
  expect(first?.body.toString()).toBe("hello");
  expect(first?.body.buffer).toBe(frame.buffer);
  expect(decoder.next()).toBeUndefined();
  expect(decoder.isIdle).toBe(false);
  decoder.push(frame.subarray(10));
  expect(decoder.next()).toMatchObject({ body: Buffer.from(" world"), bodyOffset: 5 });
  expect(decoder.isIdle).toBe(true);
});

it("takes a large failure text byte by byte", () => {
  const payload = Buffer.alloc(16_384, "x");
  const bytes = encodeFrame(0x75, payload);
  const chunks = Array.from(bytes, (_byte, at) => bytes.subarray(at, at + 1));
  expect(decode(EXEC_FRAMES, chunks)).toEqual([{ type: 0x75, payload }]);
});

it("refuses to encode a payload past 64 KiB", () => {
  expect(() => encodeFrame(0x41, Buffer.alloc(65_537))).toThrow(RangeError);
});
