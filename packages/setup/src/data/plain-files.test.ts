import { execFileSync } from "node:child_process";
import {
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openLog, readLog, readPlainFile, writePlainFile } from "./plain-files.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mt-files-"));
  writeFileSync(join(folder, "secret"), "of root's\n");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it("a plain file is written, read, and added to", () => {
  const path = join(folder, "file");
  writePlainFile(path, "one longer text\n");
  writePlainFile(path, "two\n");
  const log = openLog(path);
  writeSync(log, "three\n");
  closeSync(log);
  expect(readPlainFile(path, 4096)).toBe("two\nthree\n");
  expect(readLog(path, 4096, 4)).toEqual({ text: "three\n", end: 10 });
  expect(readLog(path, 3)).toEqual({ text: "ee\n", end: 10 });
  expect(readLog(join(folder, "none"), 3)).toEqual({ text: "", end: 0 });
  expect(() => readPlainFile(path, 9)).toThrow("not a file of ours");
});

const STAND_INS = {
  "a symbolic link": (path: string) => symlinkSync("secret", path),
  "a hard link": (path: string) => linkSync(join(folder, "secret"), path),
  // Without a writer, to open it would be to wait for ever.
  "a pipe": (path: string) => void execFileSync("mkfifo", [path]),
  "a folder": (path: string) => mkdirSync(path),
};

describe.each(Object.entries(STAND_INS))("%s in a file's place", (_, make) => {
  it("is neither read nor written", () => {
    const path = join(folder, "file");
    make(path);
    for (const use of [
      () => readPlainFile(path, 4096),
      () => writePlainFile(path, "x"),
      () => closeSync(openLog(path)),
      () => closeSync(openLog(path, "truncated")),
    ]) {
      expect(use).toThrow();
    }
    expect(readLog(path, 4096).text).toBe("");
    expect(readFileSync(join(folder, "secret"), "utf8")).toBe("of root's\n");
  });
});
