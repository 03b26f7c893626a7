import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { type Launched, spawnDetached, spawnForeground } from "./launch.ts";

const sleep = (spawn: typeof spawnForeground): Launched => spawn(["sleep", "60"], { stdout: 1, stderr: 2 });

/** Session and controlling terminal (proc_pid_stat(5), fields 6 and 7). */
function sessionOf(pid: number | "self"): { readonly session: number; readonly terminal: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return { session: Number(fields[3]), terminal: Number(fields[4]) };
}

it.each([spawnForeground, spawnDetached])("%o: in a session of its own, without our terminal", async (spawn) => {
  const launched = sleep(spawn);
  expect(sessionOf(launched.pid)).toEqual({ session: launched.pid, terminal: 0 });
  launched.kill("SIGTERM");
  expect(await launched.ended).toBe(143);
});

it("in the foreground, what ends us ends it, and nothing is heard after it", async () => {
  const before = process.listenerCount("SIGHUP");
  const launched = sleep(spawnForeground);
  process.emit("SIGHUP");
  expect(await launched.ended).toBe(143);
  await Promise.resolve();
  expect(process.listenerCount("SIGHUP")).toBe(before);
});
