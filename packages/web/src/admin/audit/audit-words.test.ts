import { expect, test } from "vitest";
import { actorWords, detailWords, targetWords } from "./audit-words.ts";

test("details are one plain line, whatever somebody has put into them", () => {
  expect(detailWords({ role: "member", uses: 1, expiresAt: null })).toBe("role: member · uses: 1 · expiresAt: none");
  expect(detailWords({ argv: ["sh", "-c", "\u001b[31m\u202ered\nline"] })).toBe("argv: sh -c red line");
  expect(detailWords({ name: "x".repeat(1000) }).length).toBeLessThan(210);
  expect(detailWords({})).toBe("");
});

test("who and what have names as long as there are any", () => {
  const id = "0123456789ab" as never;
  expect(actorWords({ account: { id, name: "ann" }, via: "session" })).toBe("ann");
  expect(actorWords({ account: { id, name: null }, via: "token" })).toBe(id);
  expect(actorWords({ account: null, via: "server" })).toBe("the server");
  expect(actorWords({ account: null, via: "none" })).toBe("not signed in");
  expect(targetWords({ environment: { id, name: "demo" }, target: "other" })).toBe("demo");
  expect(targetWords({ environment: { id, name: null }, target: null })).toBe(id);
  expect(targetWords({ environment: null, target: null })).toBe("");
});
