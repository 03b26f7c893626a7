import { execFileSync } from "node:child_process";
import { chownSync, closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { dataPaths } from "../data/paths.ts";
import type { Api } from "../server/environments.ts";
import { copyDisk } from "./disks.ts";

const MACHINE = 65_534;
const TAR = execFileSync("sh", ["-c", "command -v tar"], { encoding: "utf8" }).trim();

/** A disk, and a server that gives it to a machine and takes it back. `onTar`: shell that is run after each copy. */
function makeWorld(behaviour: { onTar?: string; resume?: () => Promise<void>; states?: readonly string[] }) {
  const { onTar = "", resume = async () => {}, states = ["running"] } = behaviour;
  const left = [...states];
  const folder = mkdtempSync(join(tmpdir(), "mt-disks-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const paths = dataPaths(join(folder, "data"));
  const disk = join(paths.host, "disks/d1.ext4");
  for (const path of [join(paths.host, "disks"), join(folder, "bin")]) mkdirSync(path, { recursive: true });
  writeFileSync(join(folder, "bin/tar"), `#!/bin/sh\n"${TAR}" "$@"\n${onTar}\n`, { mode: 0o755 });
  vi.stubEnv("PATH", `${join(folder, "bin")}:${process.env.PATH}`);
  onTestFinished(() => void vi.unstubAllEnvs());
  const api: Api = {
    environments: async () => [],
    async call(method, path) {
      if (path.endsWith("/pause")) {
        writeFileSync(disk, "whole");
        chownSync(disk, 0, 0);
      }
      if (path.endsWith("/resume")) await resume();
      return method === "GET" ? { state: left.shift() ?? states.at(-1), operation: null } : {};
    },
  };
  const archive = join(folder, "archive");
  const notes: string[] = [];
  const copy = async (): Promise<void> => {
    const stdout = openSync(archive, "a");
    const environment = { id: "e1", name: "work", disk_id: "d1", image: null };
    await copyDisk({
      ...{ paths, environment, api, stdout },
      paused: () => {},
      notResumed: (why) => notes.push(why),
    }).finally(() => closeSync(stdout));
  };
  const restored = () => execFileSync(TAR, ["--extract", "--to-stdout", "--file", archive], { encoding: "utf8" });
  return { disk, paths, copy, notes, restored };
}

describe.runIf(process.getuid?.() === 0)("the copy of a disk", () => {
  it("is the one of when it was paused, also where a machine was given it in the middle of another", async () => {
    const world = makeWorld({ onTar: `[ "$(cat disks/d1.ext4)" = whole ] || chown ${MACHINE} disks/d1.ext4` });
    writeFileSync(world.disk, "torn");
    await world.copy();
    expect(world.restored()).toBe("whole");
    expect([world.notes, readdirSync(world.paths.pausedByBackup)]).toEqual([[], []]);
  });

  it("is another one where it was started and stopped in the middle", async () => {
    const world = makeWorld({
      onTar: `[ "$(cat disks/d1.ext4)" = whole ] || printf whole > disks/d1.ext4`,
      states: ["stopped"],
    });
    writeFileSync(world.disk, "torn");
    await world.copy();
    expect(world.restored()).toBe("whole");
  });

  it("is made once it is paused again, where its owner has resumed it in the middle", async () => {
    const onTar = `[ -e resumed ] || { touch resumed; chown ${MACHINE} disks/d1.ext4; }`;
    const world = makeWorld({ onTar, states: ["creating", "running", "running", "paused"] });
    writeFileSync(world.disk, "torn");
    chownSync(world.disk, MACHINE, MACHINE);
    await world.copy();
    expect(world.restored()).toBe("whole");
  });

  it("fails where its owner resumes it again and again", async () => {
    const world = makeWorld({ onTar: `chown ${MACHINE} disks/d1.ext4` });
    writeFileSync(world.disk, "torn");
    await expect(world.copy()).rejects.toThrow("the disk of 'work', which is running, is in use");
    expect([world.notes, readdirSync(world.paths.pausedByBackup)]).toEqual([[], []]);
  });

  it("is kept where its owner has left no room to resume it, and the next backup tries again", async () => {
    const why = "the quota is 1 environment running at once: 1 is used, and 1 more is needed";
    const world = makeWorld({ resume: () => Promise.reject(new Error(why)) });
    writeFileSync(world.disk, "torn");
    chownSync(world.disk, MACHINE, MACHINE);
    await world.copy();
    expect(world.restored()).toBe("whole");
    expect([world.notes, readdirSync(world.paths.pausedByBackup)]).toEqual([[why], ["e1"]]);
  });
});
