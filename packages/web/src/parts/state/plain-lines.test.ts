import { expect, test } from "vitest";
import { plainLines } from "./plain-lines.ts";

test("a console's text comes without its sequences", () => {
  expect(plainLines("\x1b[32m[ OK ]\x1b[0m up\r\n\x1b]0;title\x07\x1b(Bnext\tx\x00\n\n")).toBe("[ OK ] up\nnext\tx");
});
test("only the last lines are kept", () => {
  expect(plainLines("x\n".repeat(1000)).split("\n").length).toBe(200);
});
