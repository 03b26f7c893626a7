import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import headless from "@xterm/headless";
import { describe, expect, it } from "vitest";
import { followScreen } from "./follower.ts";
import { boundMemory } from "./memory-bounds.ts";
import { describeScreen } from "./testing/index.ts";

/** What a terminal of 10 × 4 without rows above it shows. */
function shown(text: string, isBounded: boolean) {
  const terminal = new headless.Terminal({ cols: 10, rows: 4, scrollback: 0, allowProposedApi: true, logLevel: "off" });
  terminal.loadAddon(new UnicodeGraphemesAddon());
  if (isBounded) boundMemory(terminal);
  followScreen(terminal).writeNow(new TextEncoder().encode(text));
  return describeScreen(terminal);
}

const BEFORE = "\x1b[41mone\r\ntwo\r\nthree 日\r\nfour\x1b[2;4Hx\x1b[44m";

describe("a count beyond the screen", () => {
  const finals = [..."@ABCDEFGIJKLMPSTXZ`abdefg", " @", " A", "'}", "'~"];
  it.each(finals)("is as good as the screen's own: CSI n %s", (final) => {
    for (const set of ["", "\x1b[2;3r\x1b[3;5H", "\x1b[?6h"]) {
      const text = `${BEFORE}${set}y`;
      // Small enough for xterm.js alone.
      for (const count of [0, 1, 2, 3, 4, 5, 9, 10, 11, 39, 40, 41, 47, 123, 5000]) {
        const sequence = `\x1b[${count}${final}z`;
        expect(shown(text + sequence, true), `${count}`).toEqual(shown(text + sequence, false));
      }
      expect(shown(`${text}\x1b[2147483647${final}z`, true).size).toBe("10x4");
    }
  });

  it("repeats what is wide or has marks to the same screen", () => {
    for (const text of ["日", "e\u0301\u0302", "👩‍👩‍👧", "x\x1b[?7l"]) {
      for (const count of [4, 5, 20, 21, 99, 1003]) {
        const sequence = `${BEFORE}${text}\x1b[${count}b!`;
        expect(shown(sequence, true), `${text} ${count}`).toEqual(shown(sequence, false));
      }
      expect(shown(`${text}\x1b[2147483647b!`, true).size).toBe("10x4");
    }
  });
});
