import { expect, it } from "vitest";
import { lastWords } from "./last-words.ts";

it("takes the last printable lines of a console", () => {
  expect(lastWords(Buffer.from("one\r\ntwo\r\n\u001b[2J\r\nthree\r\nfour\r\n\r\n"))).toBe("two | three | four");
  expect(lastWords(Buffer.alloc(0))).toBe("");
});
