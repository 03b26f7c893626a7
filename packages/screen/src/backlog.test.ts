import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import headless from "@xterm/headless";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Backlog, drawPlainRuns, followScreen, hiddenOf, leaveOut } from "./index.ts";
import { describeScreen } from "./testing/index.ts";

const SIZES = [
  { cols: 17, rows: 5, scrollback: 30 },
  { cols: 80, rows: 24, scrollback: 100 },
  { cols: 2, rows: 1, scrollback: 0 },
];

const rig = (size: (typeof SIZES)[number]) => {
  const terminal = new headless.Terminal({ ...size, allowProposedApi: true, logLevel: "off" });
  terminal.loadAddon(new UnicodeGraphemesAddon());
  drawPlainRuns(terminal);
  return { terminal, screen: followScreen(terminal) };
};

const short = fc.tuple(fc.constantFrom("", "y", "1234", "a line"), fc.constantFrom("\n", "\r\n"));
const plainLine = fc.tuple(
  fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCodePoint(code)), maxLength: 100 }),
  fc.constantFrom("\n", "\r\n", "\r", ""),
);
const flood = fc
  .tuple(
    fc.oneof(fc.array(plainLine, { minLength: 1, maxLength: 12 }), fc.array(short, { minLength: 1, maxLength: 12 })),
    fc.integer({ min: 1, max: 900 }),
  )
  .map(([lines, times]) =>
    lines
      .map((line) => line.join(""))
      .join("")
      .repeat(times),
  );
/** What floods begin and end in. */
const other = fc.constantFrom(
  "\x1b[31m",
  "\x1b[44m",
  "\x1b[m",
  "\x1b[3;9H",
  "\x1b[H",
  "\x1b[HXXXXXXX\x1b[H",
  "\x1b[2;4r",
  "\x1b[r",
  "\x1b[4h",
  "\x1b[4l",
  "\x1b[?7l",
  "\x1b[?7h",
  "\x1b[20h",
  "\x1b[20l",
  "\x1b(0",
  "\x1b(B",
  "\x1b[?1049h",
  "\x1b[?1049l",
  "\x1b]8;;http://a/\x07",
  "\x1b]8;;\x07",
  "\x1b7",
  "\x1b8",
  "\x1b[3J",
  "\x1b[7b",
  "日本\n",
  "e\u0301",
  "👩‍",
  "\x1b[",
  "\t",
);
const stream = fc
  .array(fc.oneof({ arbitrary: flood, weight: 2 }, other), { minLength: 1, maxLength: 8 })
  .map((parts) => parts.map((part) => new TextEncoder().encode(part)));

/** Draws as the server's model does, and tells how much it has left out. */
function drawLazily(size: (typeof SIZES)[number], pieces: readonly Uint8Array[], isAlone: boolean) {
  const { terminal, screen } = rig(size);
  const backlog = new Backlog();
  let left = 0;
  for (const waiting of pieces.map((piece) => backlog.push(piece))) {
    const hidden = hiddenOf(terminal, waiting, 0, isAlone)?.bytes ?? 0;
    if (hidden > 0) leaveOut(terminal, waiting.bytes.subarray(0, hidden));
    left += hidden;
    screen.writeNow(waiting.bytes.subarray(hidden));
  }
  return { terminal, screen, left };
}

const cut = (bytes: Uint8Array, size: number): Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));

describe("a flood whose middle is not drawn", () => {
  test.each(SIZES)("makes the same screen, at $cols × $rows and $scrollback", { timeout: 120_000 }, (size) => {
    let left = 0;
    fc.assert(
      fc.property(stream, fc.integer({ min: 3000, max: 70_000 }), fc.boolean(), (parts, pieceSize, isAlone) => {
        const whole = rig(size);
        for (const part of parts) whole.screen.writeNow(part);
        // Cut behind each sequence too: what comes next is a piece of plain text then.
        const pieces = parts.flatMap((part) => cut(part, pieceSize));
        const lazy = drawLazily(size, pieces, isAlone);
        left += lazy.left;
        expect(describeScreen(lazy.terminal)).toEqual(describeScreen(whole.terminal));
        expect(lazy.screen.hasLostRows).toBe(whole.screen.hasLostRows);
      }),
      { numRuns: 100 },
    );
    // Or nothing was tested.
    expect(left).toBeGreaterThan(10_000);
  });

  test("ends where a screen is looked at", () => {
    const [size] = SIZES as [(typeof SIZES)[number]];
    const { terminal } = rig(size);
    const backlog = new Backlog();
    const first = backlog.push(new TextEncoder().encode("a line\r\n".repeat(400)));
    backlog.break();
    backlog.push(new TextEncoder().encode("another\r\n".repeat(400)));
    const hidden = hiddenOf(terminal, first, 0, false);
    const shown = new TextDecoder().decode(first.bytes.subarray(hidden?.bytes));
    // The first rows less one move the cursor down, not the screen up.
    expect(shown.split("\n").length - 1).toBe(2 * size.rows - 1 + size.scrollback);
    expect(hidden?.exactAfter).toBe(shown.length);
  });
});
