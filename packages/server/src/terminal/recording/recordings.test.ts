import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EnvironmentId } from "@microterm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { makeTempFolder } from "../../../../../support/temp-folder.ts";
import type { TerminalHub } from "../hub/hub.ts";
import { MAX_RECORDING_BYTES } from "./recorder.ts";
import { createRecordingFiles } from "./recording-files.ts";
import { createRecordings } from "./recordings.ts";

it("turns no more recordings on than their environment has room for, and says so", async () => {
  const folder = await makeTempFolder();
  onTestFinished(() => folder.remove());
  const recordings = createRecordings(createRecordingFiles(folder.path), async () => ({
    limitMib: null,
    environments: [],
  }));
  const [one, other] = ["one00000", "other000"] as EnvironmentId[] as [EnvironmentId, EnvironmentId];
  const root = join(folder.path, "recordings", one);
  mkdirSync(root, { recursive: true });
  // Whose terminals are gone: six that were full, and one that was ended early.
  for (let i = 0; i < 6; i++) {
    writeFileSync(join(root, `gone${i}.cast`), "");
    truncateSync(join(root, `gone${i}.cast`), MAX_RECORDING_BYTES);
  }
  writeFileSync(join(root, "short.cast"), "x".repeat(1000));
  const recorded: string[] = [];
  const hub = (name: string) =>
    ({ createdUnixMs: 1, recorder: null, record: async () => void recorded.push(name) }) as unknown as TerminalHub;
  await recordings.enable(one, "first", hub("first"));
  await expect(recordings.enable(one, "second", hub("second"))).rejects.toMatchObject({
    code: "TOO_MANY",
    message: expect.stringContaining("512 MiB"),
  });
  await recordings.enable(one, "first", hub("first again"));
  await recordings.enable(other, "second", hub("elsewhere"));
  await recordings.remove(one, "short", null);
  await recordings.enable(one, "second", hub("second"));
  expect(recorded).toEqual(["first", "first again", "elsewhere", "second"]);
});

it("turns as many on at once as their owner's quota has room for", async () => {
  const folder = await makeTempFolder();
  onTestFinished(() => folder.remove());
  const environments = ["one00000", "other000", "third000"] as EnvironmentId[];
  const recordings = createRecordings(createRecordingFiles(folder.path), async () => ({ limitMib: 150, environments }));
  const hub = { createdUnixMs: 1, recorder: null, record: async () => {} } as unknown as TerminalHub;
  const begun = await Promise.allSettled(environments.map((id) => recordings.enable(id, "main", hub)));
  expect(begun.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
  expect(begun[2]).toMatchObject({
    reason: { code: "QUOTA_EXCEEDED", details: { quota: { name: "recordingsMib", limit: 150, used: 128, asked: 64 } } },
  });
  // One that is on is there already.
  await recordings.enable(environments[0] as EnvironmentId, "main", hub);
  await recordings.disable(environments[1] as EnvironmentId, "main", null);
  expect(await recordings.totalMib(environments)).toBe(64);
  await recordings.enable(environments[2] as EnvironmentId, "main", hub);
});
