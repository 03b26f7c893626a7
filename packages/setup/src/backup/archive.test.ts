import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { formatHeader, parseHeader } from "../tar/tar-header.ts";
import { verifyArchive } from "./archive-reader.ts";
import { ArchiveWriter } from "./archive-writer.ts";
import { NOT_BACKED_UP, NOT_BACKED_UP_PATHS } from "./server-folder.ts";

const ABOUT = { version: "0.0.0", createdAt: "2026-11-29T10:00:00.000Z", environments: 1 };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mt-archive-"));
  mkdirSync(join(folder, "from/disks"), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const tar = (...args: readonly string[]): Buffer =>
  execFileSync("tar", ["--create", "--format=pax", "--sparse", "-C", join(folder, "from"), ...args], {
    maxBuffer: 2 ** 26,
  });

/** A backup whose server's folder and disk are these tars. */
async function write(server: Buffer, disk: Buffer | null): Promise<string> {
  const path = join(folder, "backup");
  const archive = new ArchiveWriter(path);
  await archive.add("database.jsonl", async (fd) => void writeSync(fd, "{}\n"));
  await archive.add("server.tar", async (fd) => void writeSync(fd, server));
  if (disk !== null) await archive.add("disk-d1.tar", async (fd) => void writeSync(fd, disk));
  archive.finish(ABOUT);
  return path;
}

const inFolder = (name: string, text = "text"): string => {
  writeFileSync(join(folder, "from", name), text);
  return name;
};

it("is a tar that says what is in it, and a sparse disk takes no more than its data", async () => {
  writeFileSync(join(folder, "from/disks/d1.ext4"), "");
  truncateSync(join(folder, "from/disks/d1.ext4"), 4 * 1024 ** 3);
  const path = await write(tar(inFolder("drivers.json")), tar("disks/d1.ext4"));
  const { environments, members } = await verifyArchive(path);
  expect([environments, members.map(({ name }) => name)]).toEqual([1, ["database.jsonl", "server.tar", "disk-d1.tar"]]);
  expect(execFileSync("tar", ["xOf", path, "manifest.json"], { encoding: "utf8" })).toContain('"format": 1');
  expect(statSync(path).size).toBeLessThan(2_000_000);
});

it("has its name once it is whole, and leaves nothing when it is given up", async () => {
  const path = join(folder, "given-up");
  const archive = new ArchiveWriter(path);
  await archive.add("database.jsonl", async (fd) => void writeSync(fd, "{}\n"));
  expect(await archive.add("disk-d1.tar", async () => {})).toBe(false);
  expect(existsSync(path)).toBe(false);
  archive.discard();
  expect(existsSync(join(folder, ".given-up.partial"))).toBe(false);
});

const renamed = (name: string): Buffer => tar(inFolder("file"), `--transform=s|.*|${name}|`, "--absolute-names");

/** What tar(1) makes of it is not what it looks like. */
function handMade(name: string, { type = "0", mode = 0o600, size = Buffer.alloc(0) }): Buffer {
  const header = formatHeader(name, 1024, 0);
  header.write(mode.toString(8).padStart(7, "0"), 100, "latin1");
  header.write(type, 156, "latin1");
  size.copy(header, 124);
  header.write(" ".repeat(8), 148, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return Buffer.concat([header, Buffer.alloc(1024, "x"), Buffer.alloc(1024)]);
}

it.each([
  ["a folder that has content", () => handMade("folder/", { type: "5" })],
  ["a file with the name of a folder", () => handMade("folder/", {})],
  ["a setuid file", () => handMade("file", { mode: 0o4755 })],
  ["a file that others may write", () => handMade("file", { mode: 0o666 })],
  ["a size of more bytes than are read", () => handMade("file", { size: Buffer.of(0x80, 1) })],
  ["a path that goes up", () => renamed("../file")],
  ["an absolute path", () => renamed("/etc/file")],
  ["a path with a hidden part", () => renamed("a/../../b")],
  ["a name with an escape sequence", () => renamed("a\u001b[31m")],
  ["a long name that goes up", () => renamed(`${"a".repeat(150)}/../../../b`)],
  [
    "a symbolic link",
    () => {
      symlinkSync("/etc", join(folder, "from/link"));
      return tar("link");
    },
  ],
  [
    "a pipe",
    () => {
      execFileSync("mkfifo", [join(folder, "from/pipe")]);
      return tar("pipe");
    },
  ],
  ["a file that is cut off", () => tar(inFolder("file", "x".repeat(20_000))).subarray(0, 10_240)],
  ["no tar", () => Buffer.alloc(1024, "x")],
  ["no end", () => tar(inFolder("file")).subarray(0, 1024)],
  ["unknown properties", () => tar(inFolder("file"), "--pax-option=SCHILY.xattr.user.a=b")],
])("refuses a server's folder with %s", async (_what, make) => {
  await expect(verifyArchive(await write(make(), null))).rejects.toThrow(/cannot be restored/);
});

it.each(NOT_BACKED_UP)("leaves %s out, with what belongs to it, and refuses it", async (name) => {
  const found = join(folder, "server");
  mkdirSync(found);
  for (const one of [name, `${name}-wal`, `${name}.1`, `${name}s`, "kept"]) writeFileSync(join(found, one), "");
  const find = ["-regextype", "posix-extended", "-mindepth", "1", "-not", "-regex", NOT_BACKED_UP_PATHS];
  const left = execFileSync("find", [".", ...find], { cwd: found, encoding: "utf8" })
    .trim()
    .split("\n")
    .sort();
  expect(left).toEqual(["./kept", `./${name}s`].sort());
  for (const one of [name, `${name}-wal`, `${name}.1`, `${name}/file`]) {
    await expect(verifyArchive(await write(renamed(one), null))).rejects.toThrow(/of a name/);
  }
  await verifyArchive(await write(renamed(`${name}s`), null));
});

it("refuses a disk of another name, of a size that no disk has, and beside another file", async () => {
  const server = tar(inFolder("drivers.json"));
  inFolder("disks/d1.ext4");
  inFolder("disks/d2.ext4");
  await expect(verifyArchive(await write(server, tar("disks/d2.ext4")))).rejects.toThrow(/of a name/);
  await expect(
    verifyArchive(await write(server, tar("disks/d1.ext4", "disks/d1.ext4", "--hard-dereference"))),
  ).rejects.toThrow(/too many/);
  truncateSync(join(folder, "from/disks/d1.ext4"), 2 * 1024 ** 4);
  await expect(verifyArchive(await write(server, tar("disks/d1.ext4")))).rejects.toThrow(/too large/);
});

it("refuses a file with anything behind its end", async () => {
  const path = await write(tar(inFolder("drivers.json")), null);
  appendFileSync(path, "x");
  await expect(verifyArchive(path)).rejects.toThrow(/longer, or shorter/);
});

it("refuses a manifest that is another", async () => {
  const path = await write(tar(inFolder("drivers.json")), null);
  const text = readFileSync(path);
  for (const [from, to] of [
    ['"format": 1', '"format": 2'],
    ["server.tar", "server.tax"],
  ] as const) {
    const other = Buffer.from(text);
    other.write(to, other.indexOf(from, 512));
    writeFileSync(path, other);
    await expect(verifyArchive(path)).rejects.toThrow(/cannot be restored/);
  }
});

it.each([0, 511, 8 ** 11 - 1, 8 ** 11, 2 ** 45])("a header tells a size of %d", (bytes) => {
  expect(parseHeader(formatHeader("name", bytes, 0))).toEqual({ name: "name", bytes, mode: 0o600, type: "0" });
});
