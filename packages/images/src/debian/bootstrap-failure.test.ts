import { expect, test } from "vitest";
import { bootstrapFailure } from "./bootstrap-failure.ts";

const sources = [
  "deb [signed-by=/k] http://user:secret@mirror.example/debian bookworm main",
  "deb [signed-by=/k] http://mirror.example/debian bookworm-updates main",
];

test.each([
  ["W: Failed to fetch x  Temporary failure resolving 'mirror.example'", "the Debian mirror can't be reached"],
  ["Err:1 http://x InRelease\n  Could not connect to 10.0.0.1:3128 (10.0.0.1)", "the Debian mirror can't be reached"],
  [
    "E: The repository 'http://x bookworm InRelease' is not signed. NO_PUBKEY 0E98404D386FA1D9",
    "does not fit Debian's keys",
  ],
  ["E: Release file for http://x is not valid yet (invalid for another 9h)", "clock"],
  ["dpkg: error processing archive: No space left on device", "no space left"],
  ["E: newuidmap failed: write to uid_map failed", "user namespace"],
  ["E: Unable to locate package vim", "a package is missing"],
  ["I: fine\nE: something else\nI: cleaning", "mmdebstrap failed: E: something else"],
])("%j is explained with a hint", (log, message) => {
  const error = bootstrapFailure({ step: "packages", log, sources });
  expect(error.message).toContain(message);
  expect(error.message).toContain('step "packages"');
  expect(error.hint).not.toBe("");
  expect(error.log).toBe(log);
});

test("a mirror is named once, and its password never", () => {
  const { message } = bootstrapFailure({ step: "sources", log: "Could not resolve 'mirror.example'", sources });
  expect(message).toBe('image, step "sources": the Debian mirror can\'t be reached: http://mirror.example/debian');
});
