import fc from "fast-check";
import { expect, it } from "vitest";
import { printableJson } from "./printable-json.ts";

const everyControl = String.fromCharCode(...Array.from({ length: 0x2070 }, (_, code) => code));

it("has no control character in it but line ends, and means the same", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: fc.constantFrom(...everyControl) }), (value, text) => {
      const printed = printableJson({ value, text, [text]: 1 });
      expect(printed).not.toMatch(
        /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/,
      );
      expect(JSON.parse(printed)).toEqual(JSON.parse(JSON.stringify({ value, text, [text]: 1 })));
    }),
  );
});
