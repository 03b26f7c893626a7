import { expect, it } from "vitest";
import { remarkOn } from "./start-notes.ts";

it("tells of a start only what is out of the ordinary: a second attempt, a restart of the server", () => {
  expect(remarkOn({ isInterrupted: false, retry: null })).toBeNull();
  expect(remarkOn({ isInterrupted: true, retry: "no answer" })).toBe(
    "resumed after a restart; second attempt: no answer",
  );
});
