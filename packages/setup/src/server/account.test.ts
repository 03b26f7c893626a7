import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, lstatSync, mkdirSync, statSync, symlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dataPaths } from "../data/paths.ts";
import { asServer, prepareFolders } from "./account.ts";

const NOBODY = { uid: 65_534, gid: 65_534, drops: true } as const;

let above: string;
let data: string;
beforeEach(async () => {
  above = await mkdtemp(join(tmpdir(), "mt-account-"));
  chmodSync(above, 0o711);
  data = join(above, "data");
});
afterEach(async () => {
  await rm(above, { recursive: true, force: true });
});

describe.runIf(process.getuid?.() === 0)("the data folder, prepared by root", () => {
  const prepare = () => prepareFolders(dataPaths(data), NOBODY);

  it("stays root's; only server/ is given away", () => {
    prepare();
    prepare();
    expect(statSync(data)).toMatchObject({ uid: 0, mode: 0o40711 });
    expect(statSync(join(data, "server"))).toMatchObject({ uid: NOBODY.uid, mode: 0o40700 });
  });

  it("opens no more of a folder that was there than the way through it", () => {
    mkdirSync(data);
    chmodSync(data, 0o755);
    prepare();
    expect(statSync(data).mode & 0o777).toBe(0o755);
  });

  it("is refused where others could have put something into it", () => {
    mkdirSync(data);
    chmodSync(data, 0o1777);
    expect(prepare).toThrow("others than root");
    expect(statSync(data).mode & 0o7777).toBe(0o1777);
    chmodSync(data, 0o755);
    chownSync(data, NOBODY.uid, NOBODY.gid);
    expect(prepare).toThrow(`belongs to uid ${NOBODY.uid}`);
    chownSync(data, 0, 0);
    chmodSync(above, 0o777);
    expect(prepare).toThrow(`others than root may write to ${above}`);
  });

  it("gives away nothing that a link stands for", () => {
    const victim = join(above, "victim");
    mkdirSync(victim);
    mkdirSync(data);
    symlinkSync(victim, join(data, "server"));
    expect(prepare).toThrow("is no folder");
    expect(lstatSync(victim).uid).toBe(0);
  });
});

it.each([false, true])("the server gains no rights by what it starts (root starts it: %s)", (drops) => {
  if (drops && process.getuid?.() !== 0) return;
  mkdirSync(join(data, "app"), { recursive: true });
  const account = drops ? NOBODY : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, drops };
  const command = asServer(account, dataPaths(data), []);
  const [program = "", ...args] = command.slice(0, command.lastIndexOf("--") + 1);
  const status = execFileSync(program, [...args, "cat", "/proc/self/status"], { encoding: "utf8" });
  expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
});
