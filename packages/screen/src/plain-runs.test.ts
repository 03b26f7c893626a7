import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import headless from "@xterm/headless";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { drawPlainRuns, followScreen } from "./index.ts";
import { describeScreen } from "./testing/index.ts";
import { coreOf } from "./xterm-internals.ts";

const COLS = 17;
const rig = (isFast: boolean) => {
  const terminal = new headless.Terminal({
    cols: COLS,
    rows: 5,
    allowProposedApi: true,
    scrollback: 30,
    logLevel: "off",
  });
  terminal.loadAddon(new UnicodeGraphemesAddon());
  if (isFast) drawPlainRuns(terminal);
  return { terminal, screen: followScreen(terminal) };
};

/** What may change how plain text is drawn, or what it is drawn over. */
const TOKENS = [
  "日本",
  "e\u0301",
  "\u0301",
  "👩‍👩‍👧",
  "🇯",
  "🇵",
  "\ufe0f",
  "é",
  "\u0600",
  "\u200d",
  "\x7f",
  "\r",
  "\n",
  "\b",
  "\t",
  "\r\n",
  "\x1b[4h",
  "\x1b[4l",
  "\x1b[?7l",
  "\x1b[?7h",
  "\x1b(0",
  "\x1b(B",
  "\x0e",
  "\x0f",
  "\x1b)0",
  "\x1b[31m",
  "\x1b[1;44m",
  "\x1b[4:3m",
  "\x1b[58;5;9m",
  "\x1b[24;59m",
  "\x1b[m",
  "\x1b]8;;http://a/\x07",
  "\x1b]8;;\x07",
  "\x1b[2;4r",
  "\x1b[r",
  "\x1b[H",
  "\x1b[2;3H",
  "\x1b[3;16H",
  "\x1b[5;17H",
  "\x1b[4D",
  "\x1b[A",
  "\x1b[K",
  "\x1b[3X",
  "\x1b[2P",
  "\x1b[7b",
  "\x1b[?1049h",
  "\x1b[?1049l",
  "\x1b7",
  "\x1b8",
]; // prettier-ignore
const token = fc.oneof(
  {
    arbitrary: fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCodePoint(code)),
      maxLength: 40,
    }),
    weight: 3,
  },
  { arbitrary: fc.constantFrom(...TOKENS), weight: 4 },
);

describe("runs of plain characters", () => {
  test("are drawn as xterm.js draws them, over and after anything", () => {
    fc.assert(
      fc.property(fc.array(token, { maxLength: 30 }), fc.nat(200), (tokens, cut) => {
        const bytes = new TextEncoder().encode(tokens.join(""));
        const [fast, plain] = [rig(true), rig(false)].map(({ terminal, screen }) => {
          screen.writeNow(bytes.subarray(0, cut));
          screen.writeNow(bytes.subarray(cut));
          return describeScreen(terminal);
        });
        expect(fast).toEqual(plain);
      }),
      { numRuns: 3000 },
    );
  });

  test("keep a link that is open behind a restored cursor as long as xterm.js does", () => {
    const bytes = new TextEncoder().encode(`\x1b7\x1b]8;;http://a/\x07\x1b8${"plain text\r\n".repeat(60)}\x1b[4munder`);
    const [fast, plain] = [rig(true), rig(false)].map(({ terminal, screen }) => {
      screen.writeNow(bytes);
      return describeScreen(terminal).normal.at(-1);
    });
    expect(plain).toContain("http://a/");
    expect(fast).toBe(plain);
  });

  test("are taken from xterm.js, which is not asked for them", () => {
    const { terminal, screen } = rig(true);
    const { _inputHandler } = coreOf(terminal);
    const asked: string[] = [];
    const { charProperties } = coreOf(terminal).unicodeService;
    const service = coreOf(terminal).unicodeService as { charProperties: typeof charProperties };
    service.charProperties = (code, before) => {
      asked.push(String.fromCodePoint(code));
      return charProperties.call(service, code, before);
    };
    screen.writeNow(new TextEncoder().encode("\x1b[32mfifteen letters\r\n"));
    expect(asked).toEqual(["f"]);
    expect(_inputHandler._curAttrData.fg).not.toBe(0);
    expect(describeScreen(terminal).normal[0]).toContain("1×f|1|");
  });
});
