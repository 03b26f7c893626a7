import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OutputWindow } from "./output-window.ts";

describe("the output window", () => {
  it("counts what was sent and not acknowledged, gaps apart", () => {
    const window = new OutputWindow(100n);
    window.sent(50);
    window.skipped(1_000_000n);
    window.sent(20);
    expect(window.unacknowledged).toBe(70);
    expect(window.acknowledge(120n)).toBe(true);
    expect(window.unacknowledged).toBe(50);
    expect(window.acknowledge(1_000_000n)).toBe(true);
    expect(window.unacknowledged).toBe(20);
    expect(window.position).toBe(1_000_020n);
  });

  it("accepts an older offset again and none of the future", () => {
    const window = new OutputWindow(0n);
    window.sent(10);
    expect([window.acknowledge(8n), window.acknowledge(3n), window.acknowledge(11n)]).toEqual([true, true, false]);
    expect(window.unacknowledged).toBe(2);
  });

  it("agrees with a list of all bytes, for any course of things", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("sent" as const), by: fc.nat(50) }),
      fc.record({ kind: fc.constant("skipped" as const), by: fc.integer({ min: 1, max: 50 }) }),
      fc.record({ kind: fc.constant("acknowledged" as const), by: fc.nat(60) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const window = new OutputWindow(0n);
        let unacknowledged: number[] = [];
        let position = 0;
        let acknowledged = 0;
        for (const { kind, by } of steps) {
          if (kind === "sent") {
            for (let index = 0; index < by; index++) unacknowledged.push(position + index);
            window.sent(by);
            position += by;
          } else if (kind === "skipped") {
            position += by;
            window.skipped(BigInt(position));
          } else {
            acknowledged = Math.min(acknowledged + by, position);
            expect(window.acknowledge(BigInt(acknowledged))).toBe(true);
            unacknowledged = unacknowledged.filter((byte) => byte >= acknowledged);
          }
          expect(window.unacknowledged).toBe(unacknowledged.length);
        }
      }),
    );
  });
});
