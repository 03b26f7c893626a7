import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type DataPaths, dataPaths } from "../data/paths.ts";
import { endKeepers, kept } from "./keeper.ts";

let paths: DataPaths;
let keeper: ChildProcess | null;
let said: string;
beforeEach(() => {
  paths = dataPaths(mkdtempSync(join(tmpdir(), "mt-keeper-")));
  mkdirSync(paths.server);
  keeper = null;
  said = "";
});
afterEach(() => {
  keeper?.kill("SIGTERM");
  rmSync(paths.data, { recursive: true, force: true });
});

/** A server that counts its starts, and then does what `then` says; `listens` is what a real one writes. */
function keep(then: string, { listens = true } = {}): Promise<number> {
  const starts = join(paths.data, "starts");
  const json = listens ? `printf '{"url":"x","pid":%s,"startedAt":"y"}' $$ >${paths.server}/server.json;` : "";
  writeFileSync(join(paths.data, "serve"), `echo start >>${starts}; ${json} ${then}\n`);
  const [program = "", ...args] = kept(paths, ["sh", join(paths.data, "serve"), "--data", paths.data]);
  keeper = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  keeper.stderr?.on("data", (bytes) => {
    said += bytes;
  });
  return once(keeper, "exit").then(([code]) => code as number);
}

const starts = () =>
  existsSync(join(paths.data, "starts"))
    ? readFileSync(join(paths.data, "starts"), "utf8").trim().split("\n").length
    : 0;

it("starts a server again that died, and ends as that one does once it is told to", async () => {
  const ended = keep(`[ "$(wc -l <${paths.data}/starts)" -lt 3 ] && kill -9 $$; exit 0`);
  expect(await ended).toBe(0);
  expect(starts()).toBe(3);
  expect(said).toMatch(/ended with code 137; starting it again in 1 s[\s\S]*in 2 s/);
});

it.each([0, 2, 130, 143])("does not start one again that ended with %d", async (code) => {
  expect(await keep(`exit ${code}`)).toBe(code);
  expect(starts()).toBe(1);
});

it("gives up on one that has never listened, with its exit code", async () => {
  expect(await keep("exit 3", { listens: false })).toBe(3);
  expect(starts()).toBe(1);
});

it("passes a signal on and waits, and ends while it waits to start one again", async () => {
  const slow = keep("trap 'sleep 0.3; echo bye >&2; exit 0' TERM; while :; do sleep 0.05; done");
  await until(() => starts() === 1);
  expect(await endKeepers(paths)).toBe(true);
  expect(await slow).toBe(0);
  expect(said).toContain("bye");

  const dead = keep("exit 1");
  await until(() => said.includes("starting it again"));
  expect(await endKeepers(paths)).toBe(true);
  expect(await dead).toBe(0);
  expect(await endKeepers(paths)).toBe(false);
});

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10));
}
