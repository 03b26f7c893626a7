import fc from "fast-check";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { printableYaml } from "./printable-yaml.ts";

const everyControl = String.fromCharCode(...Array.from({ length: 0x2070 }, (_, code) => code));

it("has no control character in it but line ends, and means the same", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.jsonValue(),
      fc.string({ unit: fc.constantFrom(...everyControl) }),
      fc.string(),
      async (value, text, other) => {
        const printed = await printableYaml({ value, text, [text]: other, [other]: 1 });
        expect(printed).not.toMatch(
          /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/,
        );
        expect(parse(printed)).toEqual(JSON.parse(JSON.stringify({ value, text, [text]: other, [other]: 1 })));
      },
    ),
  );
});

it("is written as people write it", async () => {
  const value = {
    name: "otter",
    isSet: true,
    limits: { cpus: 2, note: "a: b" },
    members: ["x", "2"],
    none: [],
    at: null,
  };
  expect(await printableYaml(value)).toBe(`name: otter
isSet: true
limits:
  cpus: 2
  note: "a: b"
members:
  - x
  - "2"
none: []
at: null`);
});
