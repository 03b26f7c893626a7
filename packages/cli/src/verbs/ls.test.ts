import { expect, test } from "vitest";
import { stateWords } from "./ls.ts";

const still = { operation: null, step: null, reason: null, unresponsiveSince: null } as const;

test.each([
  ["paused", { state: "paused" }],
  ["paused: idle for 30 minutes", { state: "paused", reason: "idle for 30 minutes" }],
  ["running", { state: "running" }],
  ["running: pause", { state: "running", operation: "pause" }],
  ["running, not responding", { state: "running", unresponsiveSince: "2026-11-28T12:00:00.000Z" }],
  ["creating: kernel", { state: "creating", operation: "start", step: "kernel" }],
  [
    "creating: kernel (second attempt: no answer)",
    { state: "creating", operation: "start", step: "kernel", reason: "second attempt: no answer" },
  ],
  ["failed: the VMM died", { state: "failed", reason: "the VMM died" }],
  ["destroying", { state: "destroying", operation: "destroy" }],
] as const)("a list says %j", (words, of) => {
  expect(stateWords({ ...still, ...of })).toBe(words);
});
