import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DetachKeys, describeKeys, parseDetachKeys } from "./detach-keys.ts";

/** All that is passed on, and whether it ended in a detach. */
function type(keys: Uint8Array, pieces: readonly (readonly number[])[]): { passed: number[]; isDetached: boolean } {
  const scanner = new DetachKeys(keys);
  const passed: number[] = [];
  for (const piece of pieces) {
    const { pass, isDetached } = scanner.type(Uint8Array.from(piece));
    passed.push(...pass);
    if (isDetached) return { passed, isDetached };
  }
  return { passed: [...passed, ...scanner.release()], isDetached: false };
}

describe("the detach keys", () => {
  it("are read and shown in the usual notation", () => {
    expect([...parseDetachKeys("ctrl-p,ctrl-q")]).toEqual([16, 17]);
    expect([...parseDetachKeys("ctrl-],x,ctrl-@")]).toEqual([29, 120, 0]);
    expect(describeKeys(Uint8Array.of(16, 17))).toBe("Ctrl-P Ctrl-Q");
    for (const text of ["", "ctrl-", "ctrl-p,", "shift-x", "é"]) expect(() => parseDetachKeys(text)).toThrow(text);
  });

  it("detach however the typing is cut, and pass on all before them", () => {
    const keys = Uint8Array.of(16, 17);
    expect(type(keys, [[97, 16, 17, 98]])).toEqual({ passed: [97], isDetached: true });
    expect(type(keys, [[97, 16], [17]])).toEqual({ passed: [97], isDetached: true });
    expect(type(keys, [[16, 16, 17]])).toEqual({ passed: [16], isDetached: true });
    expect(type(keys, [[16, 97, 17]])).toEqual({ passed: [16, 97, 17], isDetached: false });
    expect(type(keys, [[16]])).toEqual({ passed: [16], isDetached: false });
  });

  it("find exactly the first place where the keys were typed", () => {
    const few = fc.integer({ min: 1, max: 3 });
    fc.assert(
      fc.property(
        fc.uint8Array({ min: 1, max: 3, minLength: 1, maxLength: 5 }),
        fc.array(fc.array(few, { maxLength: 6 }), { maxLength: 10 }),
        (keys, pieces) => {
          const all = String.fromCharCode(...pieces.flat());
          const at = all.indexOf(String.fromCharCode(...keys));
          const expected = at === -1 ? pieces.flat() : pieces.flat().slice(0, at);
          expect(type(keys, pieces)).toEqual({ passed: expected, isDetached: at !== -1 });
        },
      ),
      { numRuns: 3000 },
    );
  });
});
