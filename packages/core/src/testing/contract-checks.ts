import { describe, expect, it } from "vitest";

export interface ContractSkip {
  readonly test: string;
  /** Printed and counted; says what the back end lacks. */
  readonly reason: string;
}

export type Check = (test: string, run: () => Promise<void>, timeoutMs?: number) => void;

/** A suite whose tests a back end may skip, each with a reason; a skip that matches no test fails. */
export function contractSuite(name: string, skips: readonly ContractSkip[], define: (check: Check) => void): void {
  const unmatched = new Set(skips.map((skip) => skip.test));
  const check: Check = (test, run, timeoutMs) => {
    const skip = skips.find((candidate) => candidate.test === test);
    unmatched.delete(test);
    it.skipIf(skip !== undefined)(skip ? `${test} (${skip.reason})` : test, run, timeoutMs);
  };
  describe(name, () => {
    define(check);
    it("has no skip for a test that does not exist", () => {
      expect([...unmatched]).toEqual([]);
    });
  });
}
