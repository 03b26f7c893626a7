import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { acquireServerLock } from "./server-lock.ts";

it("refuses a second holder until the first releases it", () => {
  const folder = mkdtempSync(join(tmpdir(), "microterm-lock-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "server.lock");
  const first = acquireServerLock(path);
  expect(() => acquireServerLock(path)).toThrow(
    expect.objectContaining({
      code: "ENVIRONMENT_STATE",
      message: expect.stringMatching(/another microterm server is running on this data folder/),
    }),
  );
  first.release();
  first.release();
  acquireServerLock(path).release();
});
