import { expect, test } from "vitest";
import { ownPath } from "./own-path.ts";

test.each(["/", "/e/0123456789ab", "/e/my-env?terminal=2", "/account", "/admin/people"])("%j is a page's own", (to) => {
  expect(ownPath(to)).toBe(to);
});

test.each([
  null,
  "",
  "e/0123456789ab",
  "//evil.example",
  "/\\evil.example",
  "/\t/evil.example",
  "https://evil.example/",
  "javascript:alert(1)",
  "/e/a#token=b",
  "/e/a?to=//evil.example",
  "/e/\u202e",
  "/v1/session",
  "/sign-in?to=/",
  `/${"a".repeat(600)}`,
])("%j leads to the list", (to) => {
  expect(ownPath(to)).toBe("/");
});
