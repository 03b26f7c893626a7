import { expect, it } from "vitest";
import { closedWords } from "./attach-shared.ts";

it("says why a shared terminal is closed to one", () => {
  const shared = { owner: "ann", expiresAt: "2030-01-01T12:00:00.000Z" };
  const end = Date.parse(shared.expiresAt);
  const reason = "this terminal is not shared with you any more";
  expect(closedWords(shared, `${reason}.`, end - 1)).toBe(`The terminal of ann is closed to you: ${reason}.`);
  expect(closedWords(shared, reason, end)).toBe("The terminal of ann is closed to you: the time of the share is over.");
});
