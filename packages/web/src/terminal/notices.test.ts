import { describe, expect, test } from "vitest";
import { noticeWords } from "./notices.ts";

describe("a terminal's notice", () => {
  test.each([
    ["paused", "type it again"],
    ["read-only", "Open the environment"],
    ["offset-unknown", "as it is now"],
    ["screen-cut", "Ctrl+L"],
    ["screen-empty", "a new terminal"],
  ])("%s says what to do", (code, words) => {
    expect(noticeWords(code, "the server's words")).toContain(words);
  });

  test("of a newer server is shown in its words", () => {
    expect(noticeWords("something-new", "It is new.")).toBe("It is new.");
    expect(noticeWords("constructor", "It is new.")).toBe("It is new.");
  });
});
