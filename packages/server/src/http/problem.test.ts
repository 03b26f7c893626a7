import { ERRORS, type ErrorCode, PlatformError, Problem } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { parseOrBadRequest, problemOf, toPlatformError } from "./problem.ts";

describe("an error on its way out", () => {
  it("is a problem document for every code of the table", () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const problem = Problem.parse(problemOf(new PlatformError(code, "what"), "id"));
      expect(problem).toMatchObject({ code, status: ERRORS[code].status, hint: ERRORS[code].hint, detail: "what" });
    }
  });

  it.each([
    ["paused", /resume/, /start/],
    ["stopped", /'start'/, /resume/],
    ["failed", /'start'.*'logs'/, /resume/],
    ["creating", /once it runs/, /'start'|resume/],
    ["destroying", /removed/, /start|resume/],
    ["running", /again/, /start|resume/],
  ] as const)("advises what an environment's state %s asks for", (state, advised, not) => {
    const { hint } = problemOf(new PlatformError("ENVIRONMENT_STATE", "what", { details: { state } }), "id");
    expect(hint).toMatch(advised);
    expect(hint).not.toMatch(not);
  });

  it("tells nothing of a fault inside", () => {
    const error = toPlatformError(new TypeError("secret of /home/someone"));
    expect(error.code).toBe("INTERNAL");
    expect(JSON.stringify(problemOf(error, "id"))).not.toContain("secret");
    expect(toPlatformError(null).code).toBe("INTERNAL");
  });

  it("names every bad field", () => {
    const schema = z.strictObject({ a: z.number(), b: z.strictObject({ c: z.string() }) });
    expect(() => parseOrBadRequest(schema, { a: "x", b: { c: 1 }, d: 1 })).toThrow(
      expect.objectContaining({ code: "BAD_REQUEST", message: expect.stringMatching(/a: .*b\.c: .*d/) }),
    );
  });
});
