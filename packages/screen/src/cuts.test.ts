/** Screens that are taken anywhere and go on elsewhere, compared with one that saw the whole: by all that either could ever show. */
import { describe, expect, test } from "vitest";
import { describeScreen, REVEALING } from "./testing/index.ts";
import { answersOf, carried, copyInto, createRig, encode, type Rig, stateOf } from "./testing/rig.ts";

type Size = readonly [cols: number, rows: number];

const rig = ([cols, rows]: Size, scrollback?: number): Rig => createRig(cols, rows, scrollback);

/** Equal now, in what they answer, and in what comes to light later. */
const expectSame = (make: () => readonly [Rig, Rig], why: string): void => {
  const [one, other] = make();
  expect(stateOf(one), why).toEqual(stateOf(other));
  expect(answersOf(one), `answers: ${why}`).toBe(answersOf(other));
  for (const [i, text] of REVEALING.entries()) {
    const [a, b] = i === 0 ? [one, other] : make();
    for (const side of [a, b]) {
      side.screen.writeNow(encode(text));
      // A narrower and a wider screen, for which the rows are laid out again.
      side.terminal.resize(side.terminal.cols - 1, side.terminal.rows + 1);
      side.terminal.resize(side.terminal.cols + 30, Math.max(1, side.terminal.rows - 2));
    }
    expect(stateOf(a), `${why}, then ${JSON.stringify(text)}`).toEqual(stateOf(b));
  }
};

interface Case {
  readonly size?: Size;
  readonly before: string;
  readonly after?: string;
  /** What the viewer was before the screen came. */
  readonly viewer?: { readonly size?: Size; readonly saw?: string };
  readonly resizeBefore?: Size;
  readonly resizeAfter?: Size;
}

const play = ({ size = [20, 5], before, after = "", resizeBefore, resizeAfter, viewer = {} }: Case) => {
  const whole = rig(size);
  whole.screen.writeNow(encode(before));
  if (resizeBefore !== undefined) whole.terminal.resize(...resizeBefore);
  const used = rig(viewer.size ?? size);
  used.screen.writeNow(encode(viewer.saw ?? ""));
  copyInto(used, whole);
  const again = copyInto(rig([31, 7]), used);
  const all = [whole, used, again];
  for (const one of all) {
    one.screen.writeNow(encode(after));
    if (resizeAfter !== undefined) one.terminal.resize(...resizeAfter);
  }
  return all as [Rig, Rig, Rig];
};

const CASES: readonly (readonly [string, Case])[] = [
  ["a line feed inside an unfinished sequence, which has run", { before: "\x1b[\n", after: "31mx" }],
  ["a backspace there", { before: "CB\x1b[\b", after: "CD" }],
  ["a control character inside an escape", { before: "\x1b\n", after: "7x" }],
  ["one inside an intermediate and an ignored sequence", { before: "a\x1b(\n\r", after: "0q" }],
  ["one behind parameters", { before: "a\x1b[1;\t3\r", after: "1mx" }],
  ["one in a sequence that is ignored", { before: "a\x1b[1<\n", after: "mx" }],
  ["one behind an 8-bit introducer, on a screen of one row", { size: [20, 1], before: "b\u009b\n", after: "m" }],
  ["control characters in strings, which are no commands", { before: "a\x1b]2;t\n", after: "u\x07b\x1bPq\r" }],
  ["a colour that is refused behind one that is not", { before: "\x1b]11;#123\x07\x1b]11;white\x07" }],
  ["an index that is none", { before: "\x1b]4;;#fff\x07\x1b]4;-1;#eee;256;#ddd; 3;#ccc\x07" }],
  ["indices in other notations", { before: "\x1b]4;0x1;#fff;1e1; #000;007;#123\x07" }],
  ["a reset of an index that is none", { before: "\x1b]4;0;#fff;1;#aaa\x07\x1b]104;1;\x07" }],
  [
    "a reset of all, and what is left of the others",
    { before: "\x1b]4;9;#fff\x07\x1b]10;#010203;#040506\x07\x1b]104\x07" },
  ],
  ["an underline without a style, by a saved cursor", { before: "\x1b[4m\x1b7\x1b[m\x1b8x" }],
  ["the same by the alternate screen", { before: "\x1b[4m\x1b[?1049h\x1b[m\x1b[?1049lx日" }],
  ["the same by the alignment pattern", { before: "\x1b[4m\x1b#8" }],
  ["the colour of a link's underline", { before: "\x1b[58;5;9m\x1b]8;;a\x07x" }],
  [
    "a viewer that had more rows",
    { viewer: { size: [20, 6] }, before: "", after: "\x1b[?1049h\x1b[5;1H\x1b7\n\x1b8X" },
  ],
  [
    "the same, erasing to the last column",
    { viewer: { size: [20, 6] }, before: "", after: "\x1b[?47h\x1b[5;20H\x1b[1J" },
  ],
  [
    "a terminal that lost rows before its alternate screen",
    { before: "", resizeBefore: [20, 3], after: "\x1b[?47h\n\n\nx" },
  ],
  ["a link on what a wide character left behind", { before: "\x1b]8;;a\x07中\x1b[Dx" }],
  ["one link that is open at the cut", { before: "\x1b]8;;a\x07x", after: "y" }],
  [
    "links of the same target, with ids and without",
    {
      before: "\x1b]8;;a\x07x\x1b]8;;a\x07y\x1b]8;id=1;a\x07z\x1b]8;id=2;a\x07\nw\x1b]8;;\x07",
      after: "\x1b]8;id=1;a\x07v\x1b]8;;a\x07u",
    },
  ],
  [
    "ids as a screen itself names links",
    { before: "\x1b]8;id=1.2;a\x07x\x1b]8;id=2;b\x07y", after: "\x1b]8;id=1.2;a\x07z" },
  ],
  ["links on both screens, one open", { before: "\x1b]8;;a\x07x\x1b[?47hy\x1b]8;;b\x07z", after: "w\x1b[?47lv" }],
  [
    "a link that scrolled inside a region",
    { before: "\x1b[2;4r\x1b[4H\x1b]8;;a\x07link\x1b]8;;\x07\n\n\x1b[2;1H\x1b[2K", after: "\n\n\n\n\nx" },
  ],
  ["a link with a saved cursor from before", { before: "\x1b7\x1b]8;;a\x07\x1b[4m\x1b8x", after: "y" }],
  ["blinking without a shape", { before: "\x1b[7 q" }],
  ["a shape whose blinking changed alone", { before: "\x1b[4 q\x1b[9 q" }],
  ["blinking that only the viewer had seen", { viewer: { saw: "\x1b[?12h" }, before: "" }],
  ["blinking that is set off", { viewer: { saw: "\x1b[?12h\x1b[5 q" }, before: "\x1b[?12l" }],
  [
    "an alternate screen that lost columns",
    { before: "\x1b[?47habcdefghijklmnopqrst", resizeBefore: [10, 5], after: "\x1b[H\x1b[P" },
  ],
  ["tab stops beyond the right edge", { before: "\x1b[1;2H\x1bH", resizeBefore: [5, 5], resizeAfter: [40, 5] }],
  [
    "tab stops of a viewer that was wider",
    { viewer: { size: [90, 5], saw: "\x1b[70G\x1bH" }, before: "\x1b[3g", resizeAfter: [80, 5] },
  ],
  [
    "combined characters that are laid out again",
    { size: [9, 4], before: "b日e日be☁\ufe0f2C\b\b\be\u0301\n", resizeAfter: [8, 4] },
  ],
  ["a saved cursor above which rows scrolled", { before: `\x1b[3H\x1b7${"row\r\n".repeat(70)}`, after: "\x1b8x" }],
  ["no wraparound at the edge, in any pieces", { before: "\x1b[?7l\x1b[1;18H日本", after: "語a日" }],
  ["a character cut in two in a title", { before: "\x1b]2;é", after: "b\x07" }],
  [
    "modes, one by one",
    {
      before:
        "\x1b[?1h\x1b[?66h\x1b[?2004h\x1b[4h\x1b[?45h\x1b[?1004h\x1b[?7l\x1b[20h\x1b[?25l\x1b[?1003h\x1b[?1016h\x1b[?2026h",
    },
  ],
];

describe("a screen taken in the middle", () => {
  test.each(CASES)("keeps %s", (why, one) => {
    expectSame(() => play(one).slice(0, 2) as [Rig, Rig], why);
    const [whole, , again] = play(one);
    expect(stateOf(again), `a keyframe of a keyframe: ${why}`).toEqual(stateOf(whole));
  });

  test("tells how many rows are kept above it, and whether older ones are gone", () => {
    const model = rig([20, 5], 7);
    const print = (rows: number) => model.screen.writeNow(encode("row\r\n".repeat(rows)));
    const carry = (scrollback = 1000): Rig => {
      const viewer = rig([30, 9], 50);
      viewer.screen.restoreNow(carried(model.screen.capture({ scrollback })));
      return viewer;
    };
    print(11);
    expect([model.screen.hasLostRows, carry().screen.hasLostRows, carry(3).screen.hasLostRows]).toEqual([
      false,
      false,
      true,
    ]);
    print(1);
    expect([model.screen.hasLostRows, carry().screen.hasLostRows]).toEqual([true, true]);
    // The viewer keeps as many as the model, whatever it kept before: what follows is the same.
    const viewer = carry();
    for (const one of [model, viewer]) one.screen.writeNow(encode(`more\r\n`.repeat(20)));
    expect(stateOf(viewer)).toEqual(stateOf(model));
    expect(viewer.terminal.options.scrollback).toBe(7);
    // Cleared on purpose, or a new terminal.
    for (const clearing of ["\x1b[3J", "\x1bc"]) {
      print(20);
      expect(model.screen.hasLostRows).toBe(true);
      model.screen.writeNow(encode(clearing));
      expect([model.screen.hasLostRows, carry().screen.hasLostRows]).toEqual([false, false]);
    }
  });

  test("keeps regions, tab stops, title and saved cursors where its cells are too many", () => {
    const whole = rig([80, 24]);
    whole.screen.writeNow(
      encode("\x1b[1;3H\x1bH\x1b[2;10r\x1b[?6h\x1b]2;t\x07\x1b[3;4H\x1b[31m\x1b7\x1b[?47h\x1b[4;9r\x1b[2H"),
    );
    const full = whole.screen.capture({ scrollback: 50 });
    const reduced = whole.screen.capture({ scrollback: 50, limitBytes: 10 });
    expect(reduced.state.isReduced).toBe(true);
    const [one, other] = [full, reduced].map((screen) => {
      const viewer = rig([80, 24]);
      viewer.screen.restoreNow(carried(screen));
      return viewer;
    }) as [Rig, Rig];
    expect(stateOf(other)).toEqual(stateOf(one));
  });

  /** Targets in the order of their cells. */
  const targetsOf = ({ terminal }: Rig): string[] =>
    [...JSON.stringify(describeScreen(terminal).normal).matchAll(/#\d+ \S* (\S+) /g)].map((match) => match[1] ?? "");
  const links = (count: number, prefix: string): Uint8Array =>
    encode(Array.from({ length: count }, (_, i) => `\x1b]8;;${prefix}${i}\x07l\x1b]8;;\x07`).join(""));

  test("frees the links of screens that were there before", () => {
    const viewer = rig([80, 24], 1000);
    for (let round = 0; round < 4; round++) {
      const model = rig([80, 24], 1000);
      model.screen.writeNow(links(2900, `${round}-`));
      copyInto(viewer, model);
    }
    expect(targetsOf(viewer)).toEqual(Array.from({ length: 2900 }, (_, i) => `3-${i}`));
  });

  test("refuses links beyond a number, and takes them again when others are gone", () => {
    const one = rig([100, 50], 1000);
    one.screen.writeNow(links(11_000, "u"));
    expect(targetsOf(one)).toEqual(Array.from({ length: 10_000 }, (_, i) => `u${i}`));
    one.screen.writeNow(encode("\x1b[2J\x1b[3J\x1b[H"));
    one.screen.writeNow(links(3, "again"));
    expect(targetsOf(one)).toEqual(["again0", "again1", "again2"]);
  });

  test("goes on where output comes before the screen stands, in the middle of a character", async () => {
    const model = rig([20, 5]);
    const end = encode("é");
    model.screen.writeNow(encode("\x1b]2;éb"));
    model.screen.writeNow(end.subarray(0, 1));
    const late = rig([20, 5]);
    const standing = late.screen.restore(carried(model.screen.capture({ scrollback: 0 })));
    const parsed = new Promise<void>((resolve) => late.screen.write(end.subarray(1), resolve));
    await Promise.all([standing, parsed]);
    const second = rig([20, 5]);
    second.screen.restoreNow(carried(late.screen.capture({ scrollback: 0 })));
    for (const one of [late, second]) {
      one.screen.writeNow(encode("c\x07"));
      expect(one.screen.title).toBe("éb\u00e9c");
    }
  });
});
