import { describe, expect, test } from "vitest";
import {
  agoWords,
  durationWords,
  elapsedWords,
  exitWords,
  expiryWords,
  noticeWords,
  readinessWords,
  receiptWords,
  removalWords,
  sizeWords,
  statusWord,
  type Template,
  terminalNoticeWords,
} from "./words.ts";

describe("words", () => {
  test("a receipt counts what was there and says what is left", () => {
    const network = { namespaces: 1, links: 2, flows: 0 };
    const removed = {
      processes: 1,
      cgroups: 0,
      sockets: 2,
      files: 3,
      uids: 1,
      ...network,
      diskBytes: 12 * 1024 * 1024,
    };
    expect(receiptWords({ removed, left: [] })).toBe(
      "Removed: 1 process, 2 sockets, 3 files, 1 user id, 1 network namespace, 2 network links, 12.0 MiB of disk. Nothing is left.",
    );
    expect(receiptWords({ removed, left: ["process 7"] })).toContain("Still there: process 7.");
  });
  test("a running environment that is stopping says so", () => {
    const running = { state: "running", operation: null, unresponsiveSince: null } as const;
    expect(statusWord({ ...running, operation: "stop" }).word).toBe("Stopping");
    expect(statusWord(running).word).toBe("Running");
    expect(statusWord({ ...running, unresponsiveSince: "2026-11-28T12:00:00.000Z" }).word).toBe("Not responding");
    expect(statusWord({ ...running, state: "creating", operation: "resume" }).word).toBe("Resuming");
  });
  test("a size has its name before its numbers", () => {
    const numbers = { memoryMib: 1024, cpus: 2, diskMib: 2048 };
    expect(sizeWords({ ...numbers, size: "large" })).toBe("large · 2 CPUs · 1 GiB · 2 GiB disk");
    expect(sizeWords({ ...numbers, size: null })).toBe("custom · 2 CPUs · 1 GiB · 2 GiB disk");
  });
  test("the host says what is ready and what is being prepared", () => {
    const template = (state: Template["state"], { step = null, reason = null }: Partial<Template> = {}): Template => ({
      size: "medium",
      memoryMib: 512,
      cpus: 1,
      diskMib: 2048,
      state,
      step,
      reason,
    });
    const pool = { wanted: 2, ready: 1, reason: null };
    expect(readinessWords({ templates: [template("building", { step: "kernel" })], pool })).toEqual({
      words: "1 of 2 ready · preparing medium: starting Linux…",
      isWarning: false,
      detail: "",
    });
    expect(readinessWords({ templates: [template("failed", { reason: "no answer" })], pool })).toMatchObject({
      isWarning: true,
      detail: "medium: no answer",
    });
    expect(readinessWords({ templates: [template("unsupported")], pool })).toBeNull();
  });
  test("a notice says what will happen, to what", () => {
    const at = "2026-11-28T12:00:00.000Z";
    expect(noticeWords("calm-otter", { code: "expiry", at, isLast: false })).toBe(
      "calm-otter will be removed, with its disk.",
    );
    expect(noticeWords("calm-otter", { code: "idle", at, action: "pause" })).toContain("paused unless it is used");
    expect(noticeWords("calm-otter", { code: "idle", at, action: "stop" })).toContain("stopped unless it is used");
    expect(noticeWords("calm-otter", { code: "pause-failed", detail: "the disk became full" })).toMatch(
      /disk became full\.$/,
    );
  });
  test("what is gone says when and why", () => {
    const gone = { name: "calm-otter", at: "2026-11-28T12:00:00.000Z" };
    expect(removalWords({ ...gone, cause: "expiry" })).toMatch(/Nov 2[78], 2026.*time to live was over/);
    expect(removalWords({ ...gone, cause: "request" })).toMatch(/on request/);
    expect(expiryWords("2026-11-28T12:09:00.000Z", Date.parse(gone.at))).toBe("in 9 min");
    expect(expiryWords(null, 0)).toBe("never");
  });
  test.each([
    ["paused", "type it again"],
    ["read-only", "Ask for the keyboard"],
    ["input-lost", "type it again"],
    ["offset-unknown", "as it is now"],
    ["screen-cut", "Ctrl+L"],
    ["screen-empty", "a new terminal"],
  ])("a terminal's notice %s says what to do", (code, words) => {
    expect(terminalNoticeWords(code, "the server's words")).toContain(words);
  });
  test("a terminal's notice of a newer server is shown in its words", () => {
    expect(terminalNoticeWords("something-new", "It is new.")).toBe("It is new.");
    expect(terminalNoticeWords("constructor", "It is new.")).toBe("It is new.");
  });
  test("times and exits", () => {
    expect([45.9, 900, 28_800, 604_800].map(durationWords)).toEqual(["45 s", "15 min", "8 h", "7 days"]);
    expect(elapsedWords(-5)).toBe("0 s");
    expect(elapsedWords(61_000)).toBe("1 min 1 s");
    expect(agoWords(0, 3 * 3_600_000)).toBe("3 h ago");
    expect(exitWords({ code: 3, signal: null })).toBe("Exited with code 3");
    expect(exitWords({ code: null, signal: 9 })).toBe("Ended by signal 9");
  });
});
