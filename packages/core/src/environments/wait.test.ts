import { EnvironmentId, type EnvironmentState, OwnerId } from "@microterm/protocol";
import { expect, it } from "vitest";
import type { EnvironmentRow } from "../ports/repository.ts";
import type { WaitState } from "./environment-service.ts";
import { reached } from "./wait.ts";

const row = (state: EnvironmentState): EnvironmentRow => ({
  id: EnvironmentId.parse("a".repeat(12)),
  name: "one",
  owner: OwnerId.parse("annannann"),
  state,
  reason: "it died",
  driver: "qemu",
  memoryMib: 512,
  cpus: 1,
  diskMib: 2048,
  size: "medium",
  machineId: null,
  diskId: "a".repeat(12),
  saveId: null,
  idleTimeoutSeconds: null,
  expiresAt: null,
  createdAt: "2026-11-22T10:00:00.000Z",
});

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
  const found = state === "gone" ? null : row(state);
  if (typeof answer === "boolean") expect(reached(found, states)).toBe(answer);
  else expect(() => reached(found, states)).toThrow(expect.objectContaining({ code: answer }));
});
