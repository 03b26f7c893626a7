import { SerializeAddon } from "@xterm/addon-serialize";
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import { Terminal } from "@xterm/xterm";
import { describe, expect, test } from "vitest";
import { createGroundScanner, unfinishedUtf8 } from "./ground-scanner.ts";
import { type PaletteTracker, trackPalette } from "./palette-tracker.ts";
import { captureScreen, parseSavedScreen, restoreScreen, type SavedScreen } from "./saved-screen.ts";
import { createScreenStore } from "./screen-store.ts";
import { charsetFinal, coreOf, sgrOf } from "./xterm-internals.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

interface Rig {
  readonly terminal: Terminal;
  readonly serializer: SerializeAddon;
  readonly palette: PaletteTracker;
}

const rig = (): Rig => {
  const terminal = new Terminal({ cols: 20, rows: 6, allowProposedApi: true, scrollback: 50 });
  const serializer = new SerializeAddon();
  terminal.loadAddon(serializer);
  terminal.loadAddon(new UnicodeGraphemesAddon());
  return { terminal, serializer, palette: trackPalette(terminal) };
};

const write = (terminal: Terminal, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve) => terminal.write(bytes, resolve));

/** Everything a person or a program could tell two terminals apart by. */
const stateOf = ({ terminal, palette }: Rig): unknown => {
  const core = coreOf(terminal);
  const cells = (name: "normal" | "alternate"): string[] => {
    const buffer = terminal.buffer[name];
    return Array.from({ length: buffer.length }, (_, y) => {
      const line = buffer.getLine(y);
      let out = line?.isWrapped ? "~" : "";
      for (let x = 0; x < terminal.cols; x++) {
        const cell = line?.getCell(x);
        out += `${cell?.getChars() || " "}${cell === undefined ? "" : sgrOf(cell as never)}`;
      }
      return out;
    });
  };
  const { buffer } = core;
  return {
    active: terminal.buffer.active.type,
    normal: cells("normal"),
    alternate: terminal.buffer.active.type === "alternate" ? cells("alternate") : [],
    cursor: [buffer.x, buffer.y],
    region: [buffer.scrollTop, buffer.scrollBottom],
    modes: terminal.modes,
    mouse: core.coreMouseService.activeEncoding,
    hidden: core.coreService.isCursorHidden,
    shape: core.coreService.decPrivateModes.cursorStyle,
    attributes: sgrOf(core._inputHandler._curAttrData),
    charset: [core._charsetService.glevel, [0, 1, 2, 3].map((g) => charsetFinal(core._charsetService._charsets[g]))],
    palette: palette.sequences(),
  };
};

const capture = async (bytes: Uint8Array): Promise<SavedScreen | null> => {
  const { terminal, serializer, palette } = rig();
  const scanner = createGroundScanner(0n);
  scanner.feed(bytes);
  await write(terminal, bytes);
  return captureScreen({
    terminal,
    serializer,
    drawn: BigInt(bytes.length),
    ground: scanner.ground,
    title: "",
    palette: palette.sequences(),
    scrollback: 1000,
  });
};

/** After every possible cut, the restored terminal fed with the rest equals one that saw the whole stream. */
const survivesEveryCut = async (text: string): Promise<void> => {
  const bytes = encode(text);
  const whole = rig();
  await write(whole.terminal, bytes);
  const expected = stateOf(whole);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const saved = await capture(bytes.subarray(0, cut));
    expect(saved, `cut ${cut}`).not.toBeNull();
    if (saved === null) continue;
    const restored = rig();
    await restoreScreen(restored.terminal, saved);
    await write(restored.terminal, bytes.subarray(Number(saved.offset)));
    expect(stateOf(restored), `cut ${cut} of ${JSON.stringify(text)}`).toEqual(expected);
  }
};

describe("a screen saved at any byte and continued", () => {
  test.each([
    ["colours and wrapped lines", "\x1b[1;31mred\x1b[0m plain \x1b[48;5;22mgreen background\x1b[m that wraps\r\n$ "],
    ["true colour with scrolling", "\x1b[38;2;1;2;3mabc\r\n1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\x1b[0m\r\nend"],
    ["characters of several bytes", "né 日本 👩‍👩‍👧 e\u0301x"],
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
    ["line drawing", "\x1b(0lqqk\x1b(B \x1b)0\x0ex\x0fy"],
    ["tab stops of its own", "\x1b[3g\x1b[5G\x1bH\r\tx\ty"],
    ["a cursor's shape", "\x1b[5 qx\x1b[4 qy"],
    ["palette changes", "\x1b]4;1;#ff0000\x07\x1b]11;rgb:00/11/22\x1b\\x\x1b]104;1\x07"],
    ["titles and other strings", "\x1b]0;a title é\x07x\x1bP$qm\x1b\\y\x1b_app\x1b\\z"],
    ["no wraparound and insert mode", "abc\x1b[?7l\x1b[4h\rX\x1b[4l\x1b[?7h"],
    ["a full reset", "\x1b[?1006h\x1b[2;3r\x1b]4;1;#ff0000\x07junk\x1bcclean"],
  ])("keeps %s", (_, text) => survivesEveryCut(text));
});

describe("the ground scanner", () => {
  const groundAfter = (...chunks: (string | Uint8Array)[]): bigint => {
    const scanner = createGroundScanner(0n);
    for (const chunk of chunks) scanner.feed(typeof chunk === "string" ? encode(chunk) : chunk);
    return scanner.ground;
  };
  test("stays before an unfinished sequence, over chunks", () => {
    expect(groundAfter("ab\x1b", "[3", "1")).toBe(2n);
    expect(groundAfter("ab\x1b", "[3", "1m")).toBe(7n);
    expect(groundAfter("a\x1b]0;long", "er title")).toBe(1n);
    expect(groundAfter("a\x1b(", "Bc")).toBe(5n);
    expect(groundAfter("a\x1b([z")).toBe(5n);
  });
  test("stays before an unfinished character, over chunks", () => {
    const bytes = encode("a👩b");
    expect(groundAfter(bytes.subarray(0, 3))).toBe(1n);
    expect(groundAfter(bytes.subarray(0, 2), bytes.subarray(2, 4))).toBe(1n);
    expect(groundAfter(bytes.subarray(0, 2), bytes.subarray(2, 5))).toBe(5n);
  });
  test("takes invalid bytes as they are", () => {
    expect(unfinishedUtf8(new Uint8Array([0x80, 0x80, 0x80]))).toBe(0);
    expect(unfinishedUtf8(new Uint8Array([0xff]))).toBeLessThanOrEqual(1);
  });
  test("a cancelled sequence is over", () => expect(groundAfter("\x1b[12\x18x")).toBe(6n));
});

describe("stored screens", () => {
  const screen = (content: string): SavedScreen => ({
    version: 1,
    offset: "7",
    cols: 80,
    rows: 24,
    title: "",
    content,
    isWrapPending: false,
    joinState: 0,
  });
  const memory = (limit: number): globalThis.Storage => {
    const map = new Map<string, string>();
    return {
      get length() {
        return map.size;
      },
      key: (i) => [...map.keys()][i] ?? null,
      getItem: (key) => map.get(key) ?? null,
      removeItem: (key) => void map.delete(key),
      clear: () => map.clear(),
      setItem: (key, value) => {
        const used = [...map].reduce((sum, [k, v]) => (k === key ? sum : sum + v.length), 0);
        if (used + value.length > limit) throw new DOMException("full", "QuotaExceededError");
        map.set(key, value);
      },
    };
  };
  test("come back as they were", () => {
    const store = createScreenStore(memory(10_000));
    expect(store.save("e.1", () => screen("hello"))).toBe(true);
    expect(store.load("e.1")).toEqual(screen("hello"));
    store.drop("e.1");
    expect(store.load("e.1")).toBeNull();
  });
  test("give up scrollback before they give up", () => {
    const store = createScreenStore(memory(600));
    expect(store.save("e.1", (rows) => screen("x".repeat(rows)))).toBe(true);
    expect(store.load("e.1")?.content.length).toBe(250);
  });
  test("make room by dropping those of other terminals", () => {
    const store = createScreenStore(memory(600));
    store.save("e.1", () => screen("x".repeat(300)));
    expect(store.save("e.2", () => screen("y".repeat(300)))).toBe(true);
    expect(store.load("e.1")).toBeNull();
  });
  test("are refused when they are anything else", () => {
    for (const text of ["", "null", "{}", "[]", JSON.stringify({ ...screen(""), cols: 0 }), "{"])
      expect(parseSavedScreen(text)).toBeNull();
    expect(parseSavedScreen(JSON.stringify({ ...screen(""), offset: "-1" }))).toBeNull();
  });
});
