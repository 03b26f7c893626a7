import { expect, test } from "vitest";
import { durationWords, noticeWords, stateWords, terminalNoticeWords } from "./words.ts";

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

test("a notice says what will happen, when, and what to do", () => {
  const now = Date.parse("2026-11-28T12:00:00.000Z");
  const at = "2026-11-28T12:09:30.000Z";
  expect(noticeWords("calm-otter", { code: "expiry", at, isLast: false }, now)).toBe(
    "calm-otter will be removed in 10 min, with its disk. Keep it: ./microterm update --ttl 8h calm-otter",
  );
  expect(noticeWords("calm-otter", { code: "idle", at, action: "stop" }, now)).toContain("stopped in 10 min unless");
  expect(noticeWords("calm-otter", { code: "pause-failed", detail: "no\u001b[31m space" }, now)).toBe(
    "calm-otter was not paused: no space",
  );
  expect([45_900, 900_000, 28_800_000, 604_800_000].map(durationWords)).toEqual(["45 s", "15 min", "8 h", "7 days"]);
});

test("a terminal's notice is worded here, and one of a newer server is shown without its control characters", () => {
  expect(terminalNoticeWords("paused", "the server's words")).toContain("until it is resumed");
  expect(terminalNoticeWords("constructor", "It is \u001b[31mnew.")).toBe("It is new.");
});
