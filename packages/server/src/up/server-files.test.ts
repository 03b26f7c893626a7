import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readServerFile } from "./server-files.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "mt-files-"));
  writeFileSync(join(folder, "secret"), "of root's\n");
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

it("reads a plain file, and nothing that stands for another's", () => {
  const token = join(folder, "token");
  writeFileSync(token, "token\n");
  expect(readServerFile(token)).toBe("token\n");

  const links = {
    symbolic: (path: string) => symlinkSync("secret", path),
    hard: (path: string) => linkSync(join(folder, "secret"), path),
    // Without a writer, to open it would be to wait for ever.
    pipe: (path: string) => void execFileSync("mkfifo", [path]),
    folder: (path: string) => mkdirSync(path),
    long: (path: string) => writeFileSync(path, "x".repeat(4097)),
  };
  for (const [name, make] of Object.entries(links)) {
    make(join(folder, name));
    expect(() => readServerFile(join(folder, name)), name).toThrow();
  }
});
