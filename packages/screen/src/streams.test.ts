/**
 * Streams that are handed on in the middle, again and again: the screen is taken, restored in a terminal that was something else before,
 * and goes on there. At the end it is what one terminal made of the whole.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { REVEALING } from "./testing/index.ts";
import { answersOf, copyInto, createRig, encode, type Rig, stateOf } from "./testing/rig.ts";

const FOLDER = join(import.meta.dirname, "../../../fixtures/screens");
const isSoak = process.env.MICROTERM_SOAK !== undefined;
const TIME = { timeout: isSoak ? 7_200_000 : 120_000 };
const SIZES = [
  [20, 6],
  [80, 24],
  [5, 3],
] as const;

type Step = Uint8Array | readonly [cols: number, rows: number];

const take = ({ terminal, screen }: Rig, step: Step): void => {
  if (step instanceof Uint8Array) screen.writeNow(step);
  else terminal.resize(...step);
};

/** `isCut` says behind which byte of the stream the next terminal takes over. */
const relay = (steps: readonly Step[], size: readonly [number, number], isCut: (at: number) => boolean): Rig => {
  // Used by turns, so that each holds what another stream left.
  const viewers = [createRig(...size), createRig(31, 4), createRig(90, 40)];
  let current = viewers[0] as Rig;
  let at = 0;
  let turn = 0;
  for (const step of steps) {
    if (!(step instanceof Uint8Array)) {
      take(current, step);
      continue;
    }
    let from = 0;
    for (let i = 0; i < step.length; i++) {
      if (!isCut(at++)) continue;
      current.screen.writeNow(step.subarray(from, i + 1));
      from = i + 1;
      current = copyInto(viewers[++turn % viewers.length] as Rig, current);
    }
    current.screen.writeNow(step.subarray(from));
  }
  return current;
};

const compare = (
  steps: readonly Step[],
  size: readonly [number, number],
  isCut: (at: number) => boolean,
  after: string,
): void => {
  const whole = createRig(...size);
  for (const step of steps) take(whole, step);
  const last = relay(steps, size, isCut);
  expect(stateOf(last)).toEqual(stateOf(whole));
  for (const one of [last, whole]) {
    one.screen.writeNow(encode(after));
    one.terminal.resize(Math.max(2, one.terminal.cols - 3), one.terminal.rows + 1);
    one.terminal.resize(one.terminal.cols + 20, one.terminal.rows);
  }
  expect(stateOf(last)).toEqual(stateOf(whole));
  expect(answersOf(last)).toBe(answersOf(whole));
};

const number = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 0, max: 9 }) }, fc.constantFrom(20, 47, 255, 9999));
const text = fc.constantFrom(
  "abc",
  "x y",
  "日",
  "本語",
  "e\u0301",
  "👩‍👩‍👧",
  "🇩🇪",
  "☁️",
  "\u200d",
  "—",
  "1234567890123456789",
  "q",
  "क्षि",
);
const control = fc.constantFrom(
  "\r\n",
  "\n",
  "\r",
  "\t",
  "\b",
  "\x0e",
  "\x0f",
  "\x07",
  "\x18",
  "\x7f",
  "\u0084",
  "\u0085",
  "\u0088",
);
const escaped = fc
  .constantFrom(..."78DEHMc=>no|}~", "(0", ")A", "*K", "+4", "(B", ")B", "#8", "\\", "%G")
  .map((end) => `\x1b${end}`);
const csi = fc
  .tuple(
    fc.constantFrom("\x1b[", "\x1b[", "\x1b[", "\u009b"),
    fc.array(number, { maxLength: 3 }),
    fc.constantFrom("", "", "", "\n", "\b", "\r"),
    fc.constantFrom(..."@ABCDEFGHIJKLMPSTXZ`abdefghlrsu", '"q', "'}", "'~", " @", " A", " q", "!p"),
  )
  .map(([begin, params, inner, final]) => `${begin}${params.join(";")}${inner}${final}`);
const mode = fc
  .tuple(
    fc.constantFrom(
      1,
      6,
      7,
      9,
      12,
      25,
      45,
      47,
      66,
      1000,
      1002,
      1003,
      1004,
      1006,
      1016,
      1047,
      1048,
      1049,
      2004,
      2026,
      2027,
    ),
    fc.constantFrom("h", "l"),
  )
  .map(([name, end]) => `\x1b[?${name}${end}`);
const plainMode = fc.constantFrom("\x1b[4h", "\x1b[4l", "\x1b[20h", "\x1b[20l");
const sgr = fc
  .array(
    fc.constantFrom(
      "0",
      "1",
      "2",
      "3",
      "4",
      "4:3",
      "4:0",
      "5",
      "7",
      "8",
      "9",
      "21",
      "22",
      "24",
      "27",
      "31",
      "39",
      "44",
      "49",
      "53",
      "97",
      "38;5;99",
      "48;2;1;2;3",
      "38;2;9;8;7",
      "58;5;9",
      "58:2::1:2:3",
      "59",
      "100",
    ),
    { maxLength: 4 },
  )
  .map((codes) => `\x1b[${codes.join(";")}m`);
const end = fc.constantFrom("\x07", "\x1b\\", "\u009c");
const osc = fc
  .tuple(
    fc.constantFrom(
      "8;;http://a",
      "8;;http://b",
      "8;id=1;http://a",
      "8;id=2;http://a",
      "8;id=3.1;c",
      "8;;",
      "0;tïtle",
      "2;",
      "7;file://h/d%20é",
      "4;1;#123",
      "4;1;white",
      "4;;#fff;2;rgb:1/2/3",
      "104",
      "104;1;",
      "10;#abc;#def",
      "11;none",
      "110",
      "112",
      "52;c;eA==",
      "133;A",
    ),
    end,
  )
  .map(([data, st]) => `\x1b]${data}${st}`);
const other = fc.constantFrom(
  "\x1bP$qm\x1b\\",
  "\x1bP1;2qdata",
  "\x1b_app\x1b\\",
  "\x1b^x",
  "\x1bX\n",
  "\x1b[1<",
  "\x1b[?",
  "\x1b(",
  "\x1b",
);
const bad = fc.uint8Array({ minLength: 1, maxLength: 3 });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: text.map(encode) },
  { weight: 3, arbitrary: control.map(encode) },
  { weight: 6, arbitrary: csi.map(encode) },
  { weight: 2, arbitrary: escaped.map(encode) },
  { weight: 2, arbitrary: mode.map(encode) },
  { weight: 1, arbitrary: plainMode.map(encode) },
  { weight: 2, arbitrary: sgr.map(encode) },
  { weight: 3, arbitrary: osc.map(encode) },
  { weight: 1, arbitrary: other.map(encode) },
  { weight: 1, arbitrary: bad },
  { weight: 1, arbitrary: fc.tuple(fc.integer({ min: 2, max: 60 }), fc.integer({ min: 1, max: 20 })) },
);

describe("a stream that is handed on at every byte", () => {
  test.each(SIZES)("of any sequences, at %i × %i", TIME, (...size) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.constantFrom(...REVEALING), (steps, after) => {
        compare(steps, size, () => true, after);
      }),
      { numRuns: isSoak ? 3000 : 40 },
    );
  });
});

describe("a program's output that is handed on", () => {
  /** So many hand-overs of each program at each size; all there can be in the long form. */
  const HANDED = 24;
  test.each(readdirSync(FOLDER).filter((name) => name.endsWith(".bin")))("%s", TIME, (name) => {
    const bytes = new Uint8Array(readFileSync(join(FOLDER, name)));
    const every = isSoak ? 1 : Math.ceil(bytes.length / HANDED);
    for (const size of SIZES) {
      fc.assert(
        fc.property(fc.nat(every - 1), fc.nat(bytes.length), fc.constantFrom(...REVEALING), (phase, at, after) => {
          const resized: Step[] = [bytes.subarray(0, at), [size[0] + 3, size[1] + 2], bytes.subarray(at)];
          compare(resized, size, (byte) => byte % every === phase, after);
        }),
        { numRuns: 1 },
      );
    }
  });
});
