import { expect, it } from "vitest";
import { describeError } from "./describe-error.ts";

it("describes any error in one bounded line", () => {
  expect(describeError(new Error("\u001b]0;title\u0007no\nmore\u202e"))).toBe("no more");
  expect(describeError("x".repeat(1000))).toHaveLength(301);
});
