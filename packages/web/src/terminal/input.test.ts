import { Terminal } from "@xterm/xterm";
import { describe, expect, test } from "vitest";
import { safeTarget } from "./emulator/links.ts";
import { onUserInput } from "./emulator/xterm-private.ts";
import { isBrowsers, ownKey } from "./keys.ts";
import { chunksOf, needsPreview, PASTE_CHUNK, pasteBytes, previewOf } from "./session/paste.ts";
import { documentTitle, sanitizeTitle } from "./session/title.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe("pasting", () => {
  test("line ends are what Enter sends", () => expect(text(pasteBytes("a\r\nb\nc", false))).toBe("a\rb\rc"));
  test("bracketed text can't end its bracket", () => {
    expect(text(pasteBytes("a\x1b[201~rm -rf /\n", true))).toBe("\x1b[200~a[201~rm -rf /\r\x1b[201~");
  });
  test("several lines are shown first where the shell would run them", () => {
    expect(needsPreview("a\nb", false)).toBe(true);
    expect(needsPreview("a\nb", true)).toBe(false);
    expect(needsPreview("one line", false)).toBe(false);
  });
  test("a big paste goes in chunks that add up", () => {
    const bytes = pasteBytes("é".repeat(40_000), false);
    const chunks = [...chunksOf(bytes)];
    expect(Math.max(...chunks.map((chunk) => chunk.length))).toBe(PASTE_CHUNK);
    expect(new Uint8Array(chunks.flatMap((chunk) => [...chunk]))).toEqual(bytes);
  });
  test("a preview is short and says how much there is", () => {
    const preview = previewOf(`${"x\n".repeat(50)}`);
    expect(preview.total).toBe(50);
    expect(preview.lines.length).toBe(12);
  });
});

describe("titles", () => {
  test("carry no control, invisible or direction-changing characters", () => {
    expect(sanitizeTitle("a\x00b\x1b[31m\u202Ecod.exe\u200b\n c")).toBe("abcod.exe c");
  });
  test("are bounded", () => expect([...sanitizeTitle("😀".repeat(5000))].length).toBe(80));
  test("carry no towers of marks", () => expect(sanitizeTitle(`z${"\u0322".repeat(100)}`).length).toBe(3));
  test("name the environment last", () => {
    expect(documentTitle("vim", "box")).toBe("vim · box · microterm");
    expect(documentTitle("\x07", "box")).toBe("box · microterm");
  });
});

describe("links", () => {
  test.each([
    ["https://example.com/a?b", "https://example.com/a?b"],
    ["mailto:a@b.c", "mailto:a@b.c"],
    ["javascript:alert(1)", null],
    ["file:///etc/passwd", null],
    ["data:text/html,x", null],
    ["not a link", null],
    [`https://e.com/${"a".repeat(3000)}`, null],
  ])("%s", (from, to) => expect(safeTarget(from)).toBe(to));
});

describe("what xterm.js says", () => {
  test("typing is announced, answers to queries are not", async () => {
    const terminal = new Terminal({ allowProposedApi: true });
    const said: [isTyped: boolean, data: string][] = [];
    let isTyped = false;
    onUserInput(terminal, () => {
      isTyped = true;
    });
    terminal.onData((data) => {
      said.push([isTyped, data]);
      isTyped = false;
    });
    await new Promise<void>((resolve) =>
      terminal.write("\x1b[c\x1b[6n\x1b[?2004$p\x1b[>q\x1bP$qm\x1b\\\x1b[5n", resolve),
    );
    terminal.input("typed", true);
    expect(said.filter(([typed]) => typed)).toEqual([[true, "typed"]]);
    expect(said.length).toBeGreaterThan(4);
  });
});

describe("keys of the page", () => {
  const chord = (text: string) => {
    const parts = text.split("+");
    const key = parts.at(-1) ?? "";
    const has = (name: string): boolean => parts.slice(0, -1).includes(name);
    return { key, ctrlKey: has("Ctrl"), shiftKey: has("Shift"), altKey: has("Alt"), metaKey: has("Cmd") };
  };
  test.each([
    ["Ctrl+Shift+Enter", "new-terminal"],
    ["Ctrl+Shift+ArrowUp", "previous-prompt"],
    ["Cmd+Shift+ArrowDown", "next-prompt"],
    ["Ctrl+Shift+ArrowRight", "next-terminal"],
    ["Ctrl+Shift+C", "copy"],
    ["Ctrl+c", null],
    ["Ctrl+t", null],
    ["Ctrl+ArrowUp", null],
    ["Shift+Enter", null],
    ["Ctrl+Alt+Shift+Enter", null],
    ["Cmd+Shift+c", null],
    ["Ctrl+Alt+v", "send-ctrl-v"],
    ["Ctrl+v", null],
  ])("%s", (keys, own) => expect(ownKey(chord(keys), false)).toBe(own));
  test.each([
    ["Ctrl+v", true, false],
    ["Ctrl+Shift+V", true, true],
    ["Shift+Insert", true, true],
    ["Ctrl+Alt+v", false, false],
    ["Cmd+v", false, false],
    ["v", false, false],
  ])("%s comes as a paste: %s, on a Mac %s", (keys, isPaste, isPasteOnMac) => {
    expect(isBrowsers(chord(keys), { isTabFree: false, isMac: false })).toBe(isPaste);
    expect(isBrowsers(chord(keys), { isTabFree: false, isMac: true })).toBe(isPasteOnMac);
  });
  test("Ctrl+C copies where there is a selection", () => expect(ownKey(chord("Ctrl+c"), true)).toBe("copy"));
});
