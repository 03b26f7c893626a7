import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { causeOf } from "./console.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const PCI = "[    0.312345] PCI: Fatal: No config space access function found\r\n";

describe("the cause on a console", () => {
  it.each([
    ["", null],
    ["\r\n \r\n", null],
    [PCI, null],
    [`${PCI}microterm-agent: ready\r\n`, null],
    [`Booting\r\n${PCI}`, "Booting"],
    ["Booting\r\nUnable to calibrate against PIT\r\n", "Unable to calibrate against PIT"],
    ["[    1.0] \u001b[1;31mKernel panic\u001b[0m\n\n", "Kernel panic"],
    ["a\u0007b\u0000c", "a b c"],
    [
      `${PCI}[    9.100000] Kernel panic - not syncing: sysrq triggered crash\r\n[    9.100001] CPU: 0 PID: 1\r\n` +
        "[    9.100002] Call Trace:\r\n[    9.100003]  panic+0x1\r\n" +
        "[    9.100004] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---\r\n",
      "Kernel panic - not syncing: sysrq triggered crash",
    ],
  ])("of %j is %j", (text, line) => {
    expect(causeOf(bytes(text))).toBe(line);
  });

  it("is short and has no control character, whatever a guest prints", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4096 }), (tail) => {
        const line = causeOf(tail);
        if (line === null) return;
        expect(line.length).toBeLessThanOrEqual(160);
        expect(line).toMatch(/^[\x20-\x7e…]+$/);
      }),
    );
  });
});
