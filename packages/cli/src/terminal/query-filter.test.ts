import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EscapeScanner } from "./escape-scanner.ts";
import { QueryFilter } from "./query-filter.ts";

const bytesOf = (text: string) => Uint8Array.from(Buffer.from(text, "latin1"));
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
const nasty = fc
  .string({
    unit: fc.constantFrom("\x1b", "[", "]", "P", "\\", "0", ";", "?", "n", "\x07", "a", "\x18", "\xe9", "5"),
    maxLength: 40,
  })
  .map(bytesOf);

function passed(text: string): string {
  return textOf(new QueryFilter().pass(bytesOf(text)));
}

describe("the scanner", () => {
  it("loses, adds and reorders no byte, however the output is cut", () => {
    fc.assert(
      fc.property(fc.array(nasty, { maxLength: 8 }), (pieces) => {
        const out: Uint8Array[] = [];
        const push = (bytes: Uint8Array) => out.push(Uint8Array.from(bytes));
        const scanner = new EscapeScanner({ text: push, sequence: ({ bytes }) => push(bytes), overlong: push });
        for (const piece of pieces) scanner.push(piece);
        scanner.flush();
        expect(Buffer.concat(out).equals(Buffer.concat(pieces))).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it("finds the same sequences however the output is cut", () => {
    const bytes = bytesOf("a\x1b[1;31mb\x1b]0;t\x07c\x1bP+q41\x1b\\d\x1b(Be\x1b[?25l\x1b]8;;x\x1b\\");
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const found: string[] = [];
      const scanner = new EscapeScanner({
        text: () => {},
        sequence: ({ kind, body }) => found.push(`${kind} ${body}`),
        overlong: () => {},
      });
      scanner.push(bytes.subarray(0, cut));
      scanner.push(bytes.subarray(cut));
      expect(found).toEqual(["csi 1;31m", "osc 0;t", "string +q41", "escape (B", "csi ?25l", "osc 8;;x"]);
    }
  });
});

describe("output on its way to a person's terminal", () => {
  it.each([
    ["DA", "\x1b[c"],
    ["secondary DA", "\x1b[>0c"],
    ["a cursor report", "\x1b[6n"],
    ["a DEC cursor report", "\x1b[?6n"],
    ["XTVERSION", "\x1b[>q"],
    ["DECRQM", "\x1b[?2026$p"],
    ["a window report", "\x1b[18t"],
    ["kitty's keyboard query", "\x1b[?u"],
    ["a colour query", "\x1b]11;?\x1b\\"],
    ["a palette query", "\x1b]4;1;?\x07"],
    ["a question for the clipboard", "\x1b]52;c;?\x07"],
    ["DECRQSS", "\x1bP$qm\x1b\\"],
    ["XTGETTCAP", "\x1bP+q544e\x1b\\"],
    ["ENQ", "\x05"],
  ])("leaves out %s, and nothing beside it", (_, sequence) => {
    expect(passed(`a${sequence}b`)).toBe("ab");
  });

  it.each([
    "\x1b[31m",
    "\x1b[2J",
    "\x1b[?1049h",
    "\x1b]0;title\x07",
    "\x1b[>4;2m",
    "\x1b[22;0t",
    "\x1b[5;10r",
    "\x1b7",
    "\r\n\t\x07",
    "\x1b]52;c;aGk=\x07",
  ])("keeps %j", (sequence) => {
    expect(passed(`a${sequence}b`)).toBe(`a${sequence}b`);
  });

  it("leaves out a query however it is cut", () => {
    const bytes = bytesOf("a\x1b]11;?\x1b\\b\x1b[6nc");
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const filter = new QueryFilter();
      const shown = textOf(filter.pass(bytes.subarray(0, cut))) + textOf(filter.pass(bytes.subarray(cut)));
      expect(shown).toBe("abc");
    }
  });

  it("loses nothing but queries, however it is cut", () => {
    fc.assert(
      fc.property(fc.array(nasty, { maxLength: 6 }), (pieces) => {
        const [cut, whole] = [new QueryFilter(), new QueryFilter()];
        const shown = pieces.map((piece) => textOf(cut.pass(piece))).join("");
        expect(shown).toBe(textOf(whole.pass(Buffer.concat(pieces))));
      }),
    );
    const long = `a\x1b]52;c;${"A".repeat(200_000)}\x07b`;
    expect(passed(long)).toBe(long);
  });
});

describe("what is undone", () => {
  function undo(text: string): string {
    const filter = new QueryFilter();
    filter.pass(bytesOf(text));
    return filter.modes.undo();
  }

  it("is what was done, and nothing else", () => {
    expect(undo("plain \x1b[31mred\x1b[0m")).toBe("\x1b[0m");
    expect(undo("\x1b[?1049h\x1b[?1000;1006h\x1b[?25l\x1b[?2004h")).toBe(
      "\x1b[?1000l\x1b[?1006l\x1b[?25h\x1b[?2004l\x1b[?1049l\x1b[0m",
    );
    expect(undo("\x1b[?1049h\x1b[?25l\x1b[?25h\x1b[?1049l")).toBe("\x1b[0m");
    expect(undo("\x1b=\x1b[4h\x1b[3;10r\x1b[4 q\x1b[>1u\x1b[>4;2m\x1b(0")).toContain(
      "\x1b[>4m\x1b>\x1b[4l\x1b7\x1b[r\x1b8\x1b[0 q",
    );
    expect(undo("\x1b[?1049h\x1b[?1000h\x1b=\x1bc")).toBe("\x1b[0m");
  });

  it("stays short whatever a program does", () => {
    const modes = Array.from({ length: 10_000 }, (_, i) => `\x1b[?${i}h`).join("");
    expect(undo(modes).length).toBeLessThan(4096);
  });
});
