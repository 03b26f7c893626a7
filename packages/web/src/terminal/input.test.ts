import { Terminal } from "@xterm/xterm";
import { describe, expect, test } from "vitest";
import { safeTarget } from "./links.ts";
import { chunksOf, needsPreview, PASTE_CHUNK, pasteBytes, previewOf } from "./paste.ts";
import { createReplyFilter, splitAt } from "./reply-filter.ts";
import { documentTitle, sanitizeTitle } from "./title.ts";
import { coreOf } from "./xterm-internals.ts";

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
    expect(sanitizeTitle("a\x00b\x1b[31m\u202Ecod.exe\u200b\n c")).toBe("ab[31mcod.exe c");
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

describe("answers to queries", () => {
  test("old output is cut exactly where it ends", () => {
    const chunk = new Uint8Array([1, 2, 3, 4]);
    expect(splitAt(chunk, 10n, 12n).map((part) => part.length)).toEqual([2, 2]);
    expect(splitAt(chunk, 10n, 14n).length).toBe(1);
    expect(splitAt(chunk, 10n, 10n).length).toBe(1);
    expect(splitAt(chunk, 10n, 9n).length).toBe(1);
  });

  test("are given for new queries only, and typing always passes", async () => {
    const terminal = new Terminal({ allowProposedApi: true });
    const filter = createReplyFilter();
    const sent: string[] = [];
    coreOf(terminal).coreService.onUserInput(() => filter.userInput());
    terminal.onData((data) => {
      sent.push(`${filter.judge()}: ${data}`);
    });
    const old = new TextEncoder().encode("\x1b[c\x1b[6n\x1b[?2004$p\x1b[>q\x1bP$qm\x1b\\");
    const fresh = new TextEncoder().encode("\x1b[5n");
    const end = BigInt(old.length);
    filter.replayUntil(end);
    const joined = new Uint8Array([...old, ...fresh]);
    const draws: Promise<void>[] = [];
    let offset = 0n;
    for (const part of splitAt(joined, 0n, end)) {
      offset += BigInt(part.length);
      const upTo = offset;
      draws.push(
        new Promise((resolve) =>
          terminal.write(part, () => {
            filter.drawn(upTo);
            resolve();
          }),
        ),
      );
    }
    terminal.input("typed", true);
    await Promise.all(draws);
    expect(sent.filter((data) => !data.startsWith("old answer: "))).toEqual(["typed: typed", "answer: \x1b[0n"]);
    expect(sent.length).toBeGreaterThan(2);
  });
});
