import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import headless from "@xterm/headless";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { followScreen } from "../follower.ts";
import { coreOf } from "../xterm-internals.ts";
import { guardTerminal } from "./index.ts";

const rig = (cols = 20, rows = 5) => {
  const terminal = new headless.Terminal({ cols, rows, scrollback: 50, allowProposedApi: true, logLevel: "off" });
  terminal.loadAddon(new UnicodeGraphemesAddon());
  const faults: unknown[] = [];
  guardTerminal(terminal, { onFault: (error) => faults.push(error) });
  return { terminal, faults, screen: followScreen(terminal) };
};
type Rig = ReturnType<typeof rig>;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const rowsOf = ({ terminal }: Rig): string[] =>
  Array.from({ length: terminal.rows }, (_, y) => {
    const { active } = terminal.buffer;
    return active.getLine(active.baseY + y)?.translateToString(true) ?? "missing";
  });

describe("erasing to the cursor in the last column", () => {
  const ends = ["\x1b[1J", "\x1b[?1J"];
  test.each(ends)("is drawn on a fresh screen of any size: %j", (erase) => {
    for (const [cols, rows] of [
      [80, 24],
      [20, 5],
      [2, 1],
    ] as const) {
      const one = rig(cols, rows);
      one.screen.writeNow(encode(`\x1b[${rows};${cols}Hx${erase}\x1b[Hstill`));
      expect(one.faults).toEqual([]);
      expect(rowsOf(one)).toEqual(rows === 1 ? ["l"] : ["still", ...Array(rows - 1).fill("")]);
    }
  });

  test.each(ends)("ends the wrap of the screen's next row, not of one above the screen: %j", (erase) => {
    const one = rig(4, 3);
    one.screen.writeNow(encode(`abcdefgh\r\n1\r\n2\r\nABCDEFGH\x1b[2;4H${erase}`));
    const { lines, ybase } = coreOf(one.terminal).buffer;
    expect(ybase).toBe(3);
    expect(Array.from({ length: 6 }, (_, y) => lines.get(y)?.isWrapped)).toEqual([
      false,
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});

describe("an exception while output is parsed", () => {
  /** Sequences whose handlers throw, as a fault of xterm.js or an add-on would. */
  const broken = () => {
    const one = rig();
    const fail = () => {
      throw new Error("broken");
    };
    one.terminal.parser.registerCsiHandler({ final: "y" }, fail);
    one.terminal.parser.registerOscHandler(777, fail);
    one.terminal.parser.registerEscHandler({ final: "y" }, fail);
    one.terminal.parser.registerDcsHandler({ final: "y" }, fail);
    return one;
  };
  const sequences = ["\x1b[1;2y", "\x1b]777;x\x07", "\x1by", "\x1bP1yx\x1b\\"];

  test.each(sequences)("costs that write alone: %j", async (sequence) => {
    const one = broken();
    const drawn: string[] = [];
    for (const text of ["a", `b${sequence}lost`, "c", "\x1b[31", "md"]) {
      one.screen.write(encode(text), () => drawn.push(text));
    }
    await new Promise<void>((resolve) => one.terminal.write("", resolve));
    expect(drawn.length).toBe(5);
    expect(one.faults).toEqual([new Error("broken")]);
    expect(rowsOf(one)[0]).toBe("abcd");
    one.screen.writeNow(encode("e"));
    expect(rowsOf(one)[0]).toBe("abcde");
    expect(one.screen.capture({ scrollback: 0 }).state.tailBytes).toBe(0);
  });

  test("costs no write at all where a write's callback throws", async () => {
    const one = rig();
    one.screen.write(encode("a"), () => {
      throw new Error("callback");
    });
    one.screen.write(encode("b"));
    await new Promise<void>((resolve) => one.terminal.write("c", resolve));
    expect(rowsOf(one)[0]).toBe("abc");
    expect(one.faults).toEqual([new Error("callback")]);
  });

  test("leaves rows and a cursor to go on with, wherever it came", () => {
    const one = broken();
    const { buffer } = coreOf(one.terminal);
    one.terminal.parser.registerCsiHandler({ final: "y" }, () => {
      buffer.x = 1e9;
      buffer.y = -7;
      (buffer.lines as unknown as { length: number }).length = 2;
      throw new Error("half way");
    });
    one.screen.writeNow(encode("ab\x1b[yx"));
    one.screen.writeNow(encode("\x1b[5;3Hend\x1b[2J\x1b[Hok"));
    expect(one.faults).toEqual([new Error("half way")]);
    expect(rowsOf(one)[0]).toBe("ok");
  });

  test("leaves an empty screen of the new size where the size was too much", () => {
    const one = rig();
    one.screen.writeNow(encode("abc"));
    const set = (one.terminal as unknown as { _core: { buffers: { resize: () => void } } })._core.buffers;
    set.resize = () => {
      throw new Error("reflow");
    };
    one.terminal.resize(10, 3);
    expect(one.faults).toEqual([new Error("reflow")]);
    one.screen.writeNow(encode("\x1b[3;9Hxy"));
    expect(rowsOf(one)).toEqual(["", "", "        xy"]);
  });
});

test("no bytes and no sizes make the terminal throw", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "日",
      "e\u0301",
      "👩‍👩‍👧",
      "\n",
      "\t",
      "\x1bM",
      "\x1b[?1049h",
      "\x1b[?47l",
      "\x1b[2;3r",
      "\x1b[?6h",
      "\x1bc",
      "\x1b7",
      "\x1b8",
    ),
    fc
      .tuple(
        fc.constantFrom("", "?", ">", "!"),
        fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 3 }),
        fc.constantFrom(..."@ABCDEFGHIJKLMPSTXZ`abdefghlmnrsu"),
      )
      .map(([prefix, params, final]) => `\x1b[${prefix}${params.join(";")}${final}`),
    fc.string({ maxLength: 30 }),
  );
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.array(piece, { maxLength: 12 }).map((parts) => parts.join("")) },
    { weight: 1, arbitrary: fc.tuple(fc.integer({ min: 2, max: 40 }), fc.integer({ min: 1, max: 12 })) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const one = rig();
      for (const next of steps) {
        if (typeof next === "string") one.screen.writeNow(encode(next));
        else one.terminal.resize(...next);
      }
      expect(one.faults).toEqual([]);
    }),
    { numRuns: process.env.MICROTERM_SOAK === undefined ? 300 : 30_000 },
  );
});
