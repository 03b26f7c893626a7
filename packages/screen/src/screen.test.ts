import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import headless from "@xterm/headless";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  followScreen,
  parseScreen,
  parseScreenState,
  type Screen,
  type ScreenFollower,
  stringifyScreen,
} from "./index.ts";
import { describeScreen, type ScreenDescription } from "./testing/index.ts";

interface Rig {
  readonly terminal: InstanceType<typeof headless.Terminal>;
  readonly screen: ScreenFollower;
}

const rig = (cols = 20, rows = 6): Rig => {
  const terminal = new headless.Terminal({ cols, rows, allowProposedApi: true, scrollback: 50, logLevel: "off" });
  terminal.loadAddon(new UnicodeGraphemesAddon());
  return { terminal, screen: followScreen(terminal) };
};

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const stateOf = ({ terminal, screen }: Rig): ScreenDescription & { texts: unknown } => ({
  ...describeScreen(terminal),
  texts: [screen.title, screen.cwd],
});

const drawn = (bytes: Uint8Array, size?: readonly [number, number]): Rig => {
  const one = rig(...(size ?? []));
  one.screen.writeNow(bytes);
  return one;
};

/** Through all that a keyframe and a storage do to it. */
const carried = (screen: Screen): Screen => {
  expect(parseScreenState(JSON.parse(JSON.stringify(screen.state)))).toEqual(screen.state);
  const back = parseScreen(stringifyScreen(screen));
  expect(back).toEqual(screen);
  return back as Screen;
};

const continued = (bytes: Uint8Array, cut: number, size?: readonly [number, number]): Rig => {
  const before = drawn(bytes.subarray(0, cut), size);
  const after = rig();
  // It has to replace whatever was there.
  after.screen.writeNow(encode("\x1b[?1049h\x1b[41mold\x1b[2;3r\x1b(0\x1b[20h\x1b]8;;http://old\x07\x1b[?6h\x1bP"));
  after.screen.restoreNow(carried(before.screen.capture({ scrollback: 1000 })));
  after.screen.writeNow(bytes.subarray(cut));
  return after;
};

/** After every possible cut, the restored terminal fed with the rest equals one that saw the whole stream. */
const survivesEveryCut = (text: string): void => {
  const bytes = encode(text);
  const expected = stateOf(drawn(bytes));
  for (let cut = 0; cut <= bytes.length; cut++)
    expect(stateOf(continued(bytes, cut)), `cut ${cut} of ${JSON.stringify(text)}`).toEqual(expected);
};

describe("a screen taken at any byte and continued", () => {
  test.each([
    ["colours and wrapped lines", "\x1b[1;31mred\x1b[0m plain \x1b[48;5;22mgreen background\x1b[m that wraps\r\n$ "],
    ["true colour with scrolling", "\x1b[38;2;1;2;3mabc\r\n1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\x1b[0m\r\nend"],
    ["characters of several bytes", "né 日本 👩‍👩‍👧 e\u0301x — end"],
    ["a wide character that does not fit", "\x1b[32m1234567890123456789日本\x1b[m\r\n1234567890123456789\x1b[7m日"],
    ["a pending wrap", "12345678901234567890\x1b[0mX"],
    [
      "an application on the alternate screen",
      "before\r\n\x1b[?1049h\x1b[2J\x1b[3;4Hvim\x1b[44m~\x1b[0m\x1b[?1049lafter",
    ],
    ["the mouse and its encoding", "\x1b[?1000h\x1b[?1002h\x1b[?1006hx\x1b[?25l\x1b[?2004h\x1b[?1h\x1b="],
    ["the mouse switched off again", "\x1b[?1003h\x1b[?1006hx\x1b[?1003l\x1b[?1006ly\x1b[?25h"],
    ["a scroll region", "a\r\nb\r\nc\r\nd\r\ne\x1b[2;4r\x1b[4;1Hx\r\ny\r\nz"],
    ["origin mode", "a\r\nb\r\nc\r\nd\x1b[2;5r\x1b[?6h\x1b[2;3Hin\x1b[?6lout"],
    ["a saved cursor", "\x1b[2;3H\x1b[32m\x1b7\x1b[0m\x1b[5;1Hdown\x1b8back"],
    [
      "saved cursors of both screens",
      "\x1b[2;3H\x1b7\x1b[?1047h\x1b[4;5H\x1b(0\x1b7\x1b(B\x1b[H\x1b8q\x1b[?1047l\x1b8x",
    ],
    ["line drawing", "\x1b(0lqqk\x1b(B \x1b)0\x0ex\x0fy"],
    ["national sets", "\x1b(K[]{}\x1b)A\x0e#\x1b*4\x1bn@[\x1b+=\x1bo#_\x1b(B\x0f[]"],
    ["tab stops of its own", "\x1b[3g\x1b[5G\x1bH\r\tx\ty"],
    ["a cursor's shape", "\x1b[5 qx\x1b[4 qy\x1b[0 qz"],
    ["palette changes", "\x1b]4;1;#ff0000\x07\x1b]11;rgb:00/11/22\x1b\\x\x1b]104;1\x07"],
    ["titles and other strings", "\x1b]0;a title é\x07x\x1bP$qm\x1b\\y\x1b_app\x1b\\z\x1b]2;next\x1b\\"],
    ["a working directory", "\x1b]7;file://host/home/a%20b\x07x\x1b]7;nothing\x07"],
    ["no wraparound and insert mode", "abc\x1b[?7l\x1b[4h\rX\x1b[4l\x1b[?7h"],
    ["line feed and other modes", "a\x1b[20hb\nc\x1b[?45h\x1b[?1004h\x1b[?2026hd\x1b[?2026l\x1b[?66h\x1b[?12h"],
    ["a full reset", "\x1b[?1006h\x1b[2;3r\x1b]4;1;#ff0000\x07junk\x1bcclean"],
    ["a soft reset", "\x1b[?6h\x1b[2;3r\x1b[31m\x1b(0q\x1b[!pq"],
    ["underlines", "\x1b[4:3;58:2::1:2:3mcurly\x1b[4:2mdouble\x1b[58;5;9m\x1b[24moff\x1b[21m2\x1b[59m-\x1b[4mx\x1b[m"],
    [
      "links",
      "\x1b]8;id=a;http://a/b\x07one\x1b[31m red\x1b]8;;\x07 \x1b]8;;http://c\x1b\\two that goes over rows\x1b]8;;\x07",
    ],
    [
      "all other attributes",
      "\x1b[2mdim\x1b[3mit\x1b[5mbl\x1b[8mhid\x1b[9mst\x1b[53mov\x1b[0;91;105mx\x1b[38;5;7;48;2;9;9;9my",
    ],
    ["bits that colours leave behind", "\x1b[38;2;10;20;30mx\x1b[38;5;7my\x1b[31mz\x1b[48;2;1;2;3mb\x1b[45mc"],
    ["protected characters", '\x1b[1"qkeep\x1b[0"qlose\x1b[1;1H\x1b[?K'],
    ["background colour erase", "\x1b[44m\x1b[2J\x1b[3;3Hx\x1b[K\r\n\x1b[5Xy\x1b[m\x1b[6;1H\r\n\x1b[42m\r\nz"],
    ["halves of wide characters", "日本語\x1b[1;2Hx\x1b[31m\x1b[1;5Hy\x1b[2;1H日本\x1b[2;2H\x1b[P"],
    ["a wrapped row cut short", "1234567890123456789012345\x1b[1;5H\x1b[K\x1b[2;3H\x1b[1K"],
    ["marks that stand alone", "\u0301a\r\n\x1b[3;1H\u200d\u0301\r\ne\x1b[D\x1b[C\u0301x"],
    ["flags beside one another", "🇩🇪🇫🇷🇩\x1b[m🇪 ☝🏽 क्षि"],
    ["repeated characters", "日\x1b[3bx\x1b[5be\u0301\x1b[2b"],
    ["a saved character set that comes back", "\x1b(0\x1b7\x1b(Bq\x1b8q\x1b(Bq"],
    ["8-bit controls", "a\u009b31mb\u009d0;t\u009cc\u0090q\u009cd\u0085e"],
  ])("keeps %s", (_, text) => survivesEveryCut(text));

  test("keeps what an unfinished sequence of megabytes leaves, in little memory", () => {
    const text = `\x1b[31mred\x1b]0;${"t".repeat(3_000_000)}`;
    const { screen } = drawn(encode(text));
    const taken = screen.capture({ scrollback: 10 });
    expect(taken.content.length).toBeLessThan(100_000);
    const after = rig();
    after.screen.restoreNow(taken);
    after.screen.writeNow(encode("more\x07x"));
    expect(after.screen.title).toBe("t".repeat(256));
    expect(describeScreen(after.terminal).normal[0]).toContain("1×x|1|16777217");
  });

  test("is bounded, whatever a program draws", () => {
    const { terminal, screen } = rig(200, 100);
    let text = "";
    for (let i = 0; i < 20_000; i++)
      text += `\x1b[38;2;${i & 255};${i >> 8};1;48;2;1;${i & 255};${i >> 8}me${"\u0301".repeat(40)}`;
    screen.writeNow(encode(text));
    expect(terminal.cols).toBe(200);
    const taken = screen.capture({ scrollback: 1000, limitBytes: 100_000 });
    expect(taken.state.isReduced).toBe(true);
    expect(taken.content.length).toBeLessThan(100_000);
    carried(taken);
  });
});

/** Pieces that meet in bad ways. */
const PIECES = [
  "abc",
  "日",
  "本語",
  "e\u0301",
  "👩‍👩‍👧",
  "\u200d",
  "\u0301",
  "🇩🇪",
  "—",
  "q",
  "x y",
  "1234567890123456789",
  "\r\n",
  "\n",
  "\r",
  "\t",
  "\b",
  "\x0e",
  "\x0f",
  "\x1b7",
  "\x1b8",
  "\x1bM",
  "\x1bD",
  "\x1bE",
  "\x1bH",
  "\x1b(0",
  "\x1b)K",
  "\x1b(B",
  "\x1b[A",
  "\x1b[3B",
  "\x1b[19C",
  "\x1b[2D",
  "\x1b[H",
  "\x1b[6;20H",
  "\x1b[3;10H",
  "\x1b[K",
  "\x1b[1K",
  "\x1b[2J",
  "\x1b[J",
  "\x1b[3J",
  "\x1b[5X",
  "\x1b[3P",
  "\x1b[4@",
  "\x1b[2L",
  "\x1b[2M",
  "\x1b[3S",
  "\x1b[2T",
  "\x1b[2;4r",
  "\x1b[r",
  "\x1b[3b",
  "\x1b[31m",
  "\x1b[1;4:3;48;5;99m",
  "\x1b[44m",
  "\x1b[38;2;1;2;3;58;5;7m",
  "\x1b[7m",
  "\x1b[m",
  "\x1b[24m",
  '\x1b[1"q',
  "\x1b[?J",
  "\x1b[?6h",
  "\x1b[?6l",
  "\x1b[?7h",
  "\x1b[?7l",
  "\x1b]8;;http://a\x07",
  "\x1b]8;;\x07",
  "\x1b[4h",
  "\x1b[4l",
  "\x1b[20h",
  "\x1b[20l",
  "\x1b[?1049h",
  "\x1b[?1049l",
  "\x1b[?47h",
  "\x1b[?47l",
  "\x1b[?1h",
  "\x1b[?45h",
  "\x1b[?1002h",
  "\x1b[?1006h",
  "\x1b[?25l",
  "\x1b[3 q",
  "\x1b[!p",
  "\x1bc",
  "\x1b#8",
  "\x1b[3g",
  "\x1b]0;t\x07",
  "\x1b]4;3;#123456\x07",
  "\x1bP",
  "\x1b_x",
  "\x18",
  "\x1b\\",
  "\u009b",
  "\x1b[2'}",
  "\x1b[ @",
];
const bad = fc.uint8Array({ minLength: 1, maxLength: 4 });
const stream = fc
  .array(fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...PIECES).map(encode) }, { weight: 1, arbitrary: bad }), {
    maxLength: 60,
  })
  .map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

describe("whatever a program prints", () => {
  test("a screen and the rest make the whole", () => {
    fc.assert(
      fc.property(stream, fc.nat(1000), (bytes, at) => {
        const cut = bytes.length === 0 ? 0 : at % (bytes.length + 1);
        expect(stateOf(continued(bytes, cut))).toEqual(stateOf(drawn(bytes)));
      }),
      { numRuns: Number(process.env.RUNS ?? 400) },
    );
  });

  test("it makes no difference how the bytes were delivered", () => {
    fc.assert(
      fc.property(stream, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 }), (bytes, steps) => {
        const one = rig();
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const step = steps[i % steps.length] ?? 1;
          one.screen.writeNow(bytes.subarray(at, at + step));
          at += step;
        }
        expect(stateOf(one)).toEqual(stateOf(drawn(bytes)));
      }),
      { numRuns: 100 },
    );
  });
});

describe("a stored screen", () => {
  test("is refused when it is anything else", () => {
    const text = stringifyScreen(drawn(encode("x")).screen.capture({ scrollback: 0 }));
    for (const other of [
      "",
      "null",
      "{}",
      "[]",
      "{",
      text.replace('"cols":20', '"cols":0'),
      text.replace('"version":2', '"version":3'),
    ])
      expect(parseScreen(other)).toBeNull();
    expect(parseScreen(text)).not.toBeNull();
  });

  test("of the version before is drawn as it was", () => {
    const cells = '[[0,3,4194304,268435456,0,0,""]]';
    const buffer = (own: string) => `{"saved":{"x":0,"y":-2,"fg":0,"bg":0,"charset":"B"},"wrapped":[],"cells":${own}}`;
    const old = `{"cols":20,"rows":6,"text":"\\u001b]8;id=7;http://a\\u001b\\\\abc\\u001b[4 q","tail":"","state":{"version":1,"title":"t","cwd":null,"isWrapPending":false,"joinState":0,"attributes":{"fg":0,"bg":0,"ext":0},"charset":"B","isBlinking":null,"normal":${buffer(cells)},"alternate":${buffer("[]")},"tailBytes":0,"isReduced":false}}`;
    const screen = parseScreen(old);
    expect(screen).not.toBeNull();
    const { terminal, screen: viewer } = rig();
    viewer.restoreNow(screen as Screen);
    const { normal, registers } = describeScreen(terminal);
    expect(normal[0]).toContain("1×c|1|0,0,0,0,#1 7 http://a ");
    expect(registers.shape).toEqual(["underline", false, false]);
  });
});
