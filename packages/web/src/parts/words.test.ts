import { BootStep } from "@microterm/protocol";
import { describe, expect, test } from "vitest";
import { agoWords, BOOT_STEPS, currentStep, elapsedWords, exitWords, receiptWords, statusWord } from "./words.ts";

describe("words", () => {
  test("every boot step has words, in the protocol's order", () => {
    expect(BOOT_STEPS.map(({ step }) => step)).toEqual(BootStep.options);
    expect(currentStep("kernel")).toBe(2);
    expect(currentStep("kernel (second attempt)")).toBe(2);
    expect(currentStep(null)).toBe(-1);
  });
  test("a receipt counts what was there and says what is left", () => {
    const removed = { processes: 1, cgroups: 0, sockets: 2, files: 3, uids: 1, diskBytes: 12 * 1024 * 1024 };
    expect(receiptWords({ removed, left: [] })).toBe(
      "Removed: 1 process, 2 sockets, 3 files, 1 user id, 12.0 MiB of disk. Nothing is left.",
    );
    expect(receiptWords({ removed, left: ["process 7"] })).toContain("Still there: process 7.");
  });
  test("a running environment that is stopping says so", () => {
    expect(statusWord({ state: "running", reason: "stopping" }).word).toBe("Stopping");
    expect(statusWord({ state: "running", reason: null }).word).toBe("Running");
  });
  test("times and exits", () => {
    expect(elapsedWords(-5)).toBe("0 s");
    expect(elapsedWords(61_000)).toBe("1 min 1 s");
    expect(agoWords(0, 3 * 3_600_000)).toBe("3 h ago");
    expect(exitWords({ code: 3, signal: null })).toBe("Exited with code 3");
    expect(exitWords({ code: null, signal: 9 })).toBe("Ended by signal 9");
  });
});
