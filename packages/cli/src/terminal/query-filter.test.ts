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
  return textOf(new QueryFilter({ isShared: false }).pass(bytesOf(text)));
}

describe("the scanner", () => {
  it("loses and adds no byte, and reorders none but controls within a sequence, however the output is cut", () => {
    fc.assert(
      fc.property(fc.array(nasty, { maxLength: 8 }), (pieces) => {
        const out: Uint8Array[] = [];
        const push = (bytes: Uint8Array) => out.push(Uint8Array.from(bytes));
        const scanner = new EscapeScanner({ text: push, sequence: ({ bytes }) => push(bytes), overlong: push });
        for (const piece of pieces) scanner.push(piece);
        scanner.flush();
        const [whole, found] = [textOf(Buffer.concat(pieces)), textOf(Buffer.concat(out))];
        const isReordered = /\x1b(?:\[[0;?5]*)?\x07/.test(whole);
        const sorted = (text: string): string => [...text].sort().join("");
        expect(isReordered ? sorted(found) : found).toBe(isReordered ? sorted(whole) : whole);
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
    ["a query for keys", "\x1b[?4m"],
    ["DECID", "\x1bZ"],
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
  ])("keeps %j", (sequence) => {
    expect(passed(`a${sequence}b`)).toBe(`a${sequence}b`);
  });

  it("leaves out a query however it is cut", () => {
    const bytes = bytesOf("a\x1b]11;?\x1b\\b\x1b[6nc");
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const filter = new QueryFilter({ isShared: false });
      const shown = textOf(filter.pass(bytes.subarray(0, cut))) + textOf(filter.pass(bytes.subarray(cut)));
      expect(shown).toBe("abc");
    }
  });

  it("loses nothing but queries, however it is cut", () => {
    fc.assert(
      fc.property(fc.array(nasty, { maxLength: 6 }), (pieces) => {
        const [cut, whole] = [new QueryFilter({ isShared: false }), new QueryFilter({ isShared: false })];
        const shown = pieces.map((piece) => textOf(cut.pass(piece))).join("");
        expect(shown).toBe(textOf(whole.pass(Buffer.concat(pieces))));
      }),
    );
    const long = `a\x1b]1337;File=:${"A".repeat(200_000)}\x07b`;
    expect(passed(long)).toBe(long);
  });
});

describe("what is undone", () => {
  function undo(text: string): string {
    const filter = new QueryFilter({ isShared: false });
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

describe("what reaches beyond the screen", () => {
  /** All that is passed of some output that comes in pieces of a length. */
  const passed = (output: Uint8Array, length: number): Buffer => {
    const filter = new QueryFilter({ isShared: false });
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < output.length; at += length) pieces.push(filter.pass(output.subarray(at, at + length)));
    return Buffer.concat(pieces);
  };

  it.each(["52;c;aGk=", "52;;", "052;p;eA==", "52", `52;c;${"QUJD".repeat(40_000)}`])(
    "is dropped: OSC %.20s",
    (body) => {
      for (const end of ["\x07", "\x1b\\"]) {
        for (const length of [1, 7, 100_000]) {
          const text = passed(Buffer.from(`a\x1b]${body}${end}b`), length).toString("latin1");
          expect(text.replace(/^a|b$/g, "").includes("52")).toBe(false);
          expect(text.startsWith("a") && text.endsWith("b")).toBe(true);
        }
      }
      const after = passed(Buffer.from(`\x1b]1337;${"x".repeat(100_000)}\x07\x1b]${body}\x07`), 4096).toString(
        "latin1",
      );
      expect(after).not.toContain("]52");
      expect(after).not.toContain("]052");
    },
  );

  it.each([
    ["within the introducer", "\x1b\x00]52;c;eA==\x07"],
    ["after a deletion", "\x1b\x7f]52;c;eA==\x07"],
    ["after another language", "\x1b\xc3\xa9]52;c;eA==\x07"],
    ["that another sequence ends", "\x1b]52;c;eA==\x1b[m"],
    ["that is broken off", "\x1b]52;c;eA==\x18"],
    ["in another coding", "\x1b%@\x9d52;c;eA==\x9c"],
    ["in another coding, with a control within", "\x1b%\x00@\x9d52;c;eA==\x9c"],
  ])("is no clipboard %s", (_, sequence) => {
    for (const length of [1, 3, 100]) {
      const text = passed(Buffer.from(`a${sequence}b`, "latin1"), length).toString("latin1");
      expect(text).not.toMatch(/\x1b[^[]*\]52|\x1b%/);
    }
  });

  it("asks nothing by a query with a control within, which is acted upon", () => {
    const shown = ["\x1b[6\nn", "\x1b[\x7f6n", "\x1b[\x056n"].map((text) => passed(Buffer.from(text), 2).toString());
    expect(shown).toEqual(["\n", "\x7f", ""]);
  });

  it("is no C1 control as UTF-8, however the bytes are cut and whatever is taken out between them", () => {
    const parts = [
      "\xc2",
      "\x9b",
      "\x9d",
      "\x80",
      "\x05",
      "\x1b[c",
      "\x1b]52;c;x\x07",
      "\x1b]0;",
      "\x07",
      "é",
      "ü",
      "\xc3",
      "a",
      "\x1b",
    ];
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...parts), { maxLength: 30 }),
        fc.integer({ min: 1, max: 9 }),
        (some, length) => {
          const text = passed(Buffer.from(some.join(""), "latin1"), length).toString("latin1");
          expect(text).not.toMatch(/\xc2[\x80-\x9f]/);
        },
      ),
      { numRuns: 2000 },
    );
    expect(passed(Buffer.from("héllo «é» ü"), 1).toString()).toBe("héllo «é» ü");
  });
});

describe("what is shared", () => {
  const shared = (text: string): string => textOf(new QueryFilter({ isShared: true }).pass(bytesOf(text)));

  it.each([
    ["a bell", "\x07"],
    ["a title", "\x1b]0;title\x07"],
    ["a notification", "\x1b]9;text\x1b\\"],
    ["a file", "\x1b]1337;File=name=eA==:eA==\x07"],
    ["a long file", `\x1b]1337;File=:${"x".repeat(100_000)}\x07`],
    ["an image", "\x1b_Gt=f;L2V0Yy9wYXNzd2Q=\x1b\\"],
    ["the clipboard", "\x1b]52;c;aGk=\x07"],
    ["a change of the window", "\x1b[8;10;10t"],
    ["the printer", "\x1b[5i"],
    ["tones", "\x1b[1;2;3,~"],
    ["a window of other lines", "\x1b[50*|"],
    ["a window of other columns", "\x1b[?40;3h"],
    ["a locked keyboard", "\x1b[2h"],
    ["keys as kitty sends them", "\x1b[>31u"],
    ["keys as xterm may send them", "\x1b[>4;2m"],
    ["keys as Windows sends them", "\x1b[?25;9001h"],
    ["another coding", "\x1b%@"],
    ["other answers", "\x1b G"],
    ["a query", "\x1b[6n"],
    ["what is broken off", "\x1b]52;c;aGk=\x18"],
  ])("does not act by %s", (_, sequence) => {
    for (const cut of [0, 1, 5]) {
      const filter = new QueryFilter({ isShared: true });
      const all = bytesOf(`a${sequence}b`);
      const out = Buffer.concat([filter.pass(all.subarray(0, cut)), filter.pass(all.subarray(cut))]);
      expect(textOf(out)).toBe("ab");
    }
  });

  it("does not act by what stands within a sequence, nor by a title of screen's", () => {
    expect(shared("a\x1b[3\x07\x051mb")).toBe("a\x1b[31mb");
    expect(shared("a\x1bktitle\x1b\\b")).toBe("atitle\x1b\\b");
  });

  it("does not act by a string that another sequence ends", () => {
    expect(shared("a\x1b]52;c;aGk=\x1b[31mb")).toBe("a\x1b[31mb");
  });

  it.each([
    "\x1b[31m",
    "\x1b[38:2::1:2:3m",
    "\x1b[?1049h",
    "\x1b[?1000;1006h",
    "\x1b[2;5r",
    "\x1b[2 q",
    "\x1b(0",
    "\x1b#8",
    "\x1b7",
    "\x1b]8;;https://example.org\x1b\\",
    "\x1b]4;1;red\x07",
    "\r\n\t",
  ])("draws by %j", (sequence) => {
    expect(shared(`a${sequence}b`)).toBe(`a${sequence}b`);
  });
});
