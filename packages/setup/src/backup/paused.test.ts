import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { dataPaths } from "../data/paths.ts";
import { writePlainFile } from "../data/plain-files.ts";
import { createProgress } from "../progress.ts";
import type { Api } from "../server/environments.ts";
import { markPaused, resumeLeft } from "./paused.ts";

const MODULE = join(import.meta.dirname, "paused.ts");
const PATHS = join(import.meta.dirname, "../data/paths.ts");

/** A data folder, and a server's answers with what it was asked for. */
function makeWorld(states: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), "mt-paused-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const asked: string[] = [];
  const api: Api = {
    environments: async () => [],
    async call(method, path) {
      if (path !== "/v1/admin/environments") asked.push(`${method} ${path}`);
      if (path === `/v1/environments/full/resume`) throw new Error("the quota is 1 environment at once");
      const all = Object.entries(states).map(([id, state]) => ({ id, name: id, state, operation: null }));
      return { environments: all };
    },
  };
  return { paths: dataPaths(folder), api, asked };
}

/** As a backup that is killed with -9 leaves it. */
function killed(data: string, id: string): void {
  const script = `const { markPaused } = await import(${JSON.stringify(MODULE)});
    const { dataPaths } = await import(${JSON.stringify(PATHS)});
    await markPaused(dataPaths(${JSON.stringify(data)}), "${id}");
    process.kill(process.pid, "SIGKILL");`;
  expect(spawnSync(process.execPath, ["--input-type=module", "-e", script]).signal).toBe("SIGKILL");
}

it("resumes what a backup has left paused that was killed, once, and nothing else", async () => {
  const { paths, api, asked } = makeWorld({ one: "paused", two: "running", full: "paused", mine: "paused" });
  for (const id of ["one", "two", "full", "gone"]) killed(paths.data, id);
  await markPaused(paths, "mine");
  writePlainFile(join(paths.pausedByBackup, "not an id"), "x");
  for (const _time of [1, 2]) await resumeLeft(paths, api, createProgress());
  // What cannot be resumed is tried again the next time.
  expect(asked.sort()).toEqual([
    ...["POST /v1/environments/full/resume", "POST /v1/environments/full/resume", "POST /v1/environments/one/resume"],
  ]);
  expect(readdirSync(paths.pausedByBackup).sort()).toEqual(["full", "mine", "not an id"]);
});

it("leaves nothing of one that went on", async () => {
  const { paths, api, asked } = makeWorld({ one: "paused" });
  const takeBack = await markPaused(paths, "one");
  takeBack();
  await resumeLeft(paths, api, createProgress());
  expect([asked, existsSync(join(paths.pausedByBackup, "one"))]).toEqual([[], false]);
});
