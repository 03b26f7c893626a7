import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { endSupervisor, findSupervisors } from "./supervisor.ts";

const NOBODY = 65_534;
const DATA = "/srv/some data";

let folder: string;
let started: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mt-supervisor-"));
  chmodSync(folder, 0o755);
  // What a shell of another name takes for its script, and /proc shows as its first argument.
  writeFileSync(join(folder, "serve"), "read _\n");
  started = [];
});
afterEach(() => {
  for (const child of started) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

interface Appearance {
  readonly name?: string;
  readonly data?: string;
  readonly uid?: number;
}

/** A process that waits, as /proc shows one: a program of that name, with those arguments, of that user. */
async function run({ name = "microterm-host", data = DATA, uid = 0 }: Appearance): Promise<number> {
  const program = join(folder, name);
  copyFileSync(realpathSync("/bin/sh"), program);
  chmodSync(program, 0o755);
  const child = spawn(program, ["serve", "--data", data], { cwd: folder, uid, stdio: ["pipe", "ignore", "ignore"] });
  started.push(child);
  await once(child, "spawn");
  return child.pid as number;
}

describe.runIf(process.getuid?.() === 0)("the supervisor of a data folder", () => {
  it("is found and ended, and one that is gone already is no fault", async () => {
    const pid = await run({});
    expect(findSupervisors(DATA)).toEqual([pid]);
    const ended = once(started[0] as ChildProcess, "exit");
    await endSupervisor(pid, DATA);
    expect((await ended)[1]).toBe("SIGTERM");
    await endSupervisor(pid, DATA);
    expect(findSupervisors(DATA)).toEqual([]);
  });

  it.each<[string, Appearance]>([
    ["another program", { name: "microterm-hosts" }],
    ["another data folder", { data: `${DATA}/of another` }],
    ["another user", { uid: NOBODY }],
  ])("is no process of %s, whatever a socket says", async (_, appearance) => {
    const pid = await run(appearance);
    expect(findSupervisors(DATA)).toEqual([]);
    await expect(endSupervisor(pid, DATA)).rejects.toThrow(`process ${pid} was not ended`);
    expect(started[0]?.exitCode).toBeNull();
    expect(started[0]?.signalCode).toBeNull();
  });
});
