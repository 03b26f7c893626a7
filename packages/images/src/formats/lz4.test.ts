import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeLz4Legacy } from "./lz4.ts";

const frame = (...blocks: readonly number[][]) =>
  Uint8Array.from([
    0x02,
    0x21,
    0x4c,
    0x18,
    ...blocks.flatMap((block) => [block.length & 255, block.length >> 8, 0, 0, ...block]),
  ]);

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const bytes = (value: string) => [...Buffer.from(value)];

describe("decodeLz4Legacy", () => {
  test("decodes literals and a match that overlaps its own output", () => {
    // "ab", then 10 bytes from 2 back, then the literal "!".
    const block = [0x26, ...bytes("ab"), 2, 0, 0x10, ...bytes("!")];
    expect(text(decodeLz4Legacy(frame(block), 13))).toBe("abababababab!");
  });

  test("decodes lengths that need more bytes, and a second block", () => {
    const long = "x".repeat(15 + 255 + 7);
    const block = [0xf0, 255, 7, ...bytes(long)];
    // A block other than the last is 8 MiB in real frames; the decoder only joins what it is given.
    expect(text(decodeLz4Legacy(frame(block, [0x30, ...bytes("end")]), long.length + 3))).toBe(`${long}end`);
  });

  test.each([
    ["no frame", Uint8Array.from([1, 2, 3, 4]), 1],
    ["a match before the beginning", frame([0x10, 97, 5, 0, 0x10, 97]), 6],
    ["a distance of 0", frame([0x10, 97, 0, 0, 0x10, 97]), 6],
    ["more than was promised", frame([0x30, 97, 98, 99]), 2],
    ["less than was promised", frame([0x30, 97, 98, 99]), 4],
    ["literals that are cut", frame([0x50, 97]), 5],
    ["a block that is cut", frame([0x30, 97, 98, 99]).subarray(0, 9), 3],
  ])("refuses %s", (_, input, size) => {
    expect(() => decodeLz4Legacy(input, size)).toThrow(RangeError);
  });

  test("any bytes give a result of the promised size or a RangeError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(400), (block, size) => {
        try {
          expect(decodeLz4Legacy(frame([...block]), size).length).toBe(size);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});
