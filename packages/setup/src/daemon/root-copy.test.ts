import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { rootCopy, rootFirecracker } from "./root-copy.ts";

let folder: string;
let copies: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mt-copy-"));
  copies = join(folder, "copies");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function build(key: string, content: string): string {
  mkdirSync(join(folder, key), { recursive: true });
  writeFileSync(join(folder, key, "microterm-host"), content);
  return join(folder, key, "microterm-host");
}

describe.runIf(process.getuid?.() === 0)("root's copy of a daemon", () => {
  it("is root's alone, and stays as it was first seen", async () => {
    const binary = build("0123456789abcdef", "as built");
    const copy = await rootCopy(binary, copies);
    expect(copy).toBe(join(copies, "0123456789abcdef/microterm-host"));
    expect(statSync(copy)).toMatchObject({ uid: 0, mode: 0o100755 });
    // What the owner of the build, or a server with the same user, does to it later is not run.
    writeFileSync(binary, "changed");
    expect(await rootCopy(binary, copies)).toBe(copy);
    expect(readFileSync(copy, "utf8")).toBe("as built");
  });

  it("has what the daemon finds beside itself, and nothing else", async () => {
    const binary = build("0123456789abcdef", "as built");
    for (const name of ["microterm-jail-probe", "microterm-agent"]) writeFileSync(join(binary, "..", name), name);
    const copy = await rootCopy(binary, copies);
    expect(readdirSync(join(copy, "..")).sort()).toEqual(["microterm-host", "microterm-jail-probe"]);
    expect(statSync(join(copy, "../microterm-jail-probe"))).toMatchObject({ uid: 0, mode: 0o100755 });
  });

  it("is made again where others could have changed it", async () => {
    const binary = build("0123456789abcdef", "as built");
    const copy = await rootCopy(binary, copies);
    writeFileSync(copy, "not ours");
    chmodSync(copy, 0o777);
    await rootCopy(binary, copies);
    expect(readFileSync(copy, "utf8")).toBe("as built");
  });

  it("is kept of the newest builds only", async () => {
    for (let at = 0; at < 6; at++) await rootCopy(build(`build-${at}`, `${at}`), copies);
    expect(readdirSync(copies)).toHaveLength(4);
    expect(readdirSync(copies)).toContain("build-5");
  });
});

describe.runIf(process.getuid?.() === 0)("Firecracker and its jailer", () => {
  const programs = (...names: readonly [string, string]) => {
    const [firecracker, jailer] = names.map((name) => join(folder, name)) as [string, string];
    for (const path of [firecracker, jailer]) writeFileSync(path, path, { mode: 0o755 });
    return { firecracker, jailer };
  };

  it("stay where they are where root alone can change them", async () => {
    const given = programs("firecracker", "jailer");
    expect(await rootFirecracker(given, copies)).toEqual(given);
  });

  it("are copied under what is in them where somebody else could, each time that this is new", async () => {
    const given = programs("firecracker-v1", "jailer-v1");
    chownSync(given.jailer, 65_534, 65_534);
    const copy = await rootFirecracker(given, copies);
    expect(copy.firecracker).toMatch(new RegExp(`^${copies}/[0-9a-f]{16}/firecracker$`));
    expect(readFileSync(copy.jailer, "utf8")).toBe(given.jailer);
    expect(statSync(copy.jailer)).toMatchObject({ uid: 0, mode: 0o100755 });
    expect(await rootFirecracker(given, copies)).toEqual(copy);
    writeFileSync(given.jailer, "another");
    const next = await rootFirecracker(given, copies);
    expect(next.jailer).not.toBe(copy.jailer);
    expect(readFileSync(next.jailer, "utf8")).toBe("another");
  });
});
