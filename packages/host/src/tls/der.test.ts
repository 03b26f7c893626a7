import { expect, it } from "vitest";
import { der, integer, objectId, TAG } from "./der.ts";

it.each([
  ["02 01 02", [2]],
  ["02 01 00", [0, 0]],
  ["02 02 00 80", [0x80]],
  ["02 01 6b", [0, 0x6b]],
])("writes an integer as %s", (bytes, digits) => {
  expect(integer(Buffer.from(digits))).toEqual(Buffer.from(bytes.replaceAll(" ", ""), "hex"));
});

it("writes object ids and lengths as X.690 has them", () => {
  expect(objectId("1.2.840.10045.4.3.2").toString("hex")).toBe("06082a8648ce3d040302");
  for (const [length, head] of [
    [127, "047f"],
    [128, "048180"],
    [256, "04820100"],
  ] as const) {
    expect(der(TAG.octetString, Buffer.alloc(length)).toString("hex").startsWith(head)).toBe(true);
  }
});
