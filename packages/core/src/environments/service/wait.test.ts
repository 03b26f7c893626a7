import type { EnvironmentState } from "@microterm/protocol";
import { expect, it } from "vitest";
import { environmentRow } from "../../testing/environment-row.ts";
import type { WaitState } from "./environment-service.ts";
import { reached } from "./wait.ts";

const CASES: readonly [EnvironmentState | "gone", readonly WaitState[], boolean | string][] = [
  ["running", ["running"], true],
  ["running", ["stopped", "running"], true],
  ["creating", ["running"], false],
  ["stopped", ["running"], false],
  ["failed", ["running"], "ENVIRONMENT_STATE"],
  ["failed", ["running", "failed"], true],
  ["failed", ["gone"], false],
  ["destroying", ["running"], "ENVIRONMENT_STATE"],
  ["destroying", ["gone"], false],
  ["failed", ["destroying"], false],
  ["gone", ["gone"], true],
  ["gone", ["running"], "ENVIRONMENT_NOT_FOUND"],
];

it.each(CASES)("when it is %s and %j is waited for: %s", (state, states, answer) => {
  const found = state === "gone" ? null : environmentRow({ state, reason: "it died" });
  if (typeof answer === "boolean") expect(reached(found, states)).toBe(answer);
  else expect(() => reached(found, states)).toThrow(expect.objectContaining({ code: answer }));
});
