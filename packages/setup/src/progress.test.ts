import { readFileSync } from "node:fs";
import { PlatformError } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { createProgress, explainFailure, oneLine, SetupError } from "./progress.ts";

function systemError(path: string): unknown {
  try {
    return readFileSync(path);
  } catch (error) {
    return error;
  }
}

describe("a failure of set-up", () => {
  it("is reported in a line, the end of a log below it, and what to do", () => {
    expect(explainFailure(new SetupError("it broke:\nfirst\nlast\n", "./microterm doctor"), "up")).toBe(
      "microterm: it broke:\n    first\n    last\n  Try: ./microterm doctor\n",
    );
    const error = new PlatformError("HOST_OUT_OF_MEMORY", "12 MiB are free");
    expect(explainFailure(error, "up")).toMatch(/^microterm: 12 MiB are free\n {2}Try: .+\n$/);
  });

  it("of the system's shows no stack", () => {
    for (const code of ["EACCES", "EPERM"]) {
      const denied = Object.assign(new Error(`${code}: not permitted, open '/x'`), { code });
      expect(explainFailure(denied, "status")).toMatch(
        new RegExp(`^microterm: ${code}: not permitted, open '/x' \\(as .+\\)\\n  Try: .+\\n$`),
      );
    }
    expect(explainFailure(systemError("/nonexistent"), "up")).toMatch(/^microterm: ENOENT: .*\n {2}Try: .+\n$/);
  });

  it("of our own making shows where it is", () => {
    expect(explainFailure(new TypeError("a mistake"), "up")).toContain("progress.test.ts");
  });

  it("ends the step that was under way", () => {
    const written: string[] = [];
    const out = { write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
    createProgress(out).step("Building");
    explainFailure(new SetupError("no", "retry"), "up");
    expect(written.join("")).toMatch(/^ {2}Building …\n {2}✗ Building \(\d+\.\d s\)\n$/);
  });
});

it("any text becomes part of a sentence", () => {
  expect(oneLine("it failed:\n  \u001b[31mno\u001b[m KVM.\n")).toBe("it failed: no KVM");
});
