import { describe, expect, it } from "vitest";
import { stepReason, wasResumed } from "./steps.ts";

describe("a step's reason", () => {
  it("is the step alone when there is nothing else to say", () => {
    expect(stepReason("kernel", { isResumed: false, retry: null })).toBe("kernel");
  });

  it("tells of a second attempt and of a restart, and is known again as resumed", () => {
    const reason = stepReason("agent", { isResumed: true, retry: "no answer" });
    expect(reason).toBe("agent (resumed after a restart; second attempt: no answer)");
    expect(wasResumed(reason)).toBe(true);
    expect(wasResumed(stepReason("agent", { isResumed: false, retry: "no answer" }))).toBe(false);
    expect(wasResumed(null)).toBe(false);
  });
});
