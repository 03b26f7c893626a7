import { outputOf } from "@microterm/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LogItem, OutputLog } from "./output-log.ts";

const SIZE = { cols: 80, rows: 24 };
const MIB = 1024 * 1024;

describe("the output log", () => {
  it("finds every byte that it holds, and tells which are gone", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 30 }),
        fc.nat(20),
        (lengths, trims) => {
          const log = new OutputLog(7n, SIZE);
          for (const length of lengths) log.output(log.end, new Uint8Array(length));
          log.resized(log.end, { cols: 10, rows: 10 });
          if (trims > 10) log.trim(log.next);
          expect(log.find(log.start - 1n)).toBeNull();
          for (let offset = log.start; offset < log.end; offset++) {
            const item = log.at(log.find(offset) ?? -1);
            expect(item !== undefined && item.offset <= offset && offset < item.end).toBe(true);
          }
          // An item without bytes belongs to the consumer that comes there.
          expect(log.at(log.find(log.end) ?? -1)?.kind).toBe("resized");
        },
      ),
    );
  });

  it("keeps little without consumers, and never more than 4 MiB", () => {
    const log = new OutputLog(0n, SIZE);
    const piece = new Uint8Array(16 * 1024);
    for (let i = 0; i < 1000; i++) {
      log.output(log.end, piece);
      log.trim(log.next);
    }
    expect(log.costSince(log.first)).toBeLessThan(MIB / 2);
    const needed = log.next;
    for (let i = 0; i < 1000; i++) {
      log.output(log.end, piece);
      log.trim(needed);
    }
    expect(log.costSince(log.first)).toBeGreaterThan(3 * MIB);
    expect(log.costSince(log.first)).toBeLessThan(5 * MIB);
    expect(log.first).toBeGreaterThan(needed);
  });

  it("counts items that have hardly any bytes", () => {
    const log = new OutputLog(0n, SIZE);
    for (let i = 0; i < 100_000; i++) {
      log.resized(0n, { cols: 10 + (i % 2), rows: 10 });
      log.trim(0);
    }
    expect(log.next - log.first).toBeLessThan(20_000);
  });

  it("tells the size that is in force at every item", () => {
    const log = new OutputLog(0n, SIZE);
    log.output(0n, Uint8Array.of(1));
    log.resized(1n, { cols: 10, rows: 5 });
    log.resized(1n, { cols: 10, rows: 5 });
    log.output(1n, Uint8Array.of(2));
    expect([0, 1, 2, 3].map((n) => log.at(n)?.size.cols)).toEqual([80, 80, 10, undefined]);
    expect(outputOf((log.at(2) as LogItem).frame)).toEqual(Buffer.of(2));
  });
});
