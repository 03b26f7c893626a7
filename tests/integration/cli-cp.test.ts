import { createHash, randomBytes } from "node:crypto";
import { lstatSync, readFileSync, readlinkSync } from "node:fs";
import { mkdir, readdir, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { poll, startServer, type TestServer } from "../../support/server.ts";
import { cli, cliOk, tempFolder } from "./cli-run.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  await server.environment("demo");
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const inside = (script: string) => cliOk(server, ["exec", "demo", "sh", "-c", script]);
const cp = (source: string, destination: string) => cli(server, ["cp", source, destination]);

async function tree(): Promise<{ folder: string; data: Buffer }> {
  const folder = join(await tempFolder(), "tree");
  const data = randomBytes(3_000_000);
  await mkdir(join(folder, "sub/deep"), { recursive: true });
  await mkdir(join(folder, "empty"));
  await writeFile(join(folder, "sub/data"), data, { mode: 0o750 });
  await writeFile(join(folder, "sub/ünï cødé"), "x");
  await symlink("sub/data", join(folder, "link"));
  return { folder, data };
}

describe("cp", () => {
  it("brings a file in and out unchanged, with its mode", async () => {
    const folder = await tempFolder();
    const data = randomBytes(10_000_000);
    await writeFile(join(folder, "file"), data, { mode: 0o640 });
    expect(await cp(join(folder, "file"), "demo:")).toMatchObject({ code: 0, stderr: "" });
    expect(await inside("sha256sum < file; stat -c %a file")).toBe(`${sha256(data)}  -\n640\n`);
    expect(await cp("demo:file", join(folder, "back"))).toMatchObject({ code: 0, stderr: "" });
    expect(sha256(readFileSync(join(folder, "back")))).toBe(sha256(data));
    expect(lstatSync(join(folder, "back")).mode & 0o777).toBe(0o640);
  });

  it("brings a folder in and out unchanged, with links and odd names", async () => {
    const { folder, data } = await tree();
    expect(await cp(folder, "demo:in")).toMatchObject({ code: 0, stderr: "" });
    expect(await inside("cd in; readlink link; sha256sum < sub/data; ls -d empty sub/deep")).toBe(
      `sub/data\n${sha256(data)}  -\nempty\nsub/deep\n`,
    );
    const out = join(await tempFolder(), "out");
    expect(await cp("demo:in", out)).toMatchObject({ code: 0, stderr: "" });
    expect(sha256(readFileSync(join(out, "sub/data")))).toBe(sha256(data));
    expect(readFileSync(join(out, "sub/ünï cødé"), "utf8")).toBe("x");
    expect(readlinkSync(join(out, "link"))).toBe("sub/data");
    expect(lstatSync(join(out, "sub/data")).mode & 0o777).toBe(0o750);
  });

  it("copies into a folder that is there, and a folder's contents with /.", async () => {
    const { folder } = await tree();
    await inside("mkdir there");
    expect((await cp(folder, "demo:there")).code).toBe(0);
    expect((await cp(`${folder}/.`, "demo:there")).code).toBe(0);
    expect(await inside("ls there; ls there/tree")).toBe("empty\nlink\nsub\ntree\nempty\nlink\nsub\n");
    const here = await tempFolder();
    expect((await cp("demo:there/tree", here)).code).toBe(0);
    expect((await cp("demo:there/tree/.", here)).code).toBe(0);
    expect([lstatSync(join(here, "tree/sub")).isDirectory(), lstatSync(join(here, "sub")).isDirectory()]).toEqual([
      true,
      true,
    ]);
  });

  it("replaces a file as a whole and never a folder", async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, "a"), "new");
    await inside("echo an old and longer text > a; mkdir -p d/a");
    expect((await cp(join(folder, "a"), "demo:a")).code).toBe(0);
    expect(await inside("cat a")).toBe("new");
    const refused = await cp(join(folder, "a"), "demo:d");
    expect(refused.code).not.toBe(0);
    expect(await inside("test -d d/a && echo folder")).toBe("folder\n");
  });

  it.each([
    ["what is not here", "/no/such/file", "demo:", /does not exist here/],
    ["what is not there", "demo:missing", ".", /demo:missing does not exist/],
    ["a file to a folder that is not there", "/etc/hostname", "demo:missing/", /demo:missing\/ does not exist/],
    ["nothing remote", "/etc/hostname", "/tmp/x", /NAME:PATH/],
    ["nothing local", "demo:a", "demo:b", /Both ends/],
    ["from an environment that is not there", "missing:a", ".", /missing/],
    ["the root folder without a name for it", "demo:/", "/tmp", /end it with/],
  ])("says what is wrong with copying %s", async (_, source, destination, pattern) => {
    const ran = await cp(source, destination);
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringMatching(pattern)]);
    expect(ran.stderr).not.toMatch(/\n\s+at /);
  });

  it("changes nothing when it is broken off, in either direction", async () => {
    const folder = await tempFolder();
    const large = join(folder, "large");
    await writeFile(large, "");
    await truncate(large, 2_000_000_000);
    await inside("echo old > target");
    const broken = (source: string, destination: string, isUnderWay: () => Promise<boolean>) =>
      cli(server, ["cp", source, destination], {
        during: (child) => void poll("the copy", isUnderWay).finally(() => child.kill("SIGINT")),
      });
    const parts = () => inside("ls -A | grep -c part || true");
    await broken(large, "demo:target", async () => (await parts()) === "1\n");
    await poll("the guest to notice", async () => (await parts()) === "0\n");
    expect(await inside("cat target; truncate -s 2G large")).toBe("old\n");

    const here = join(folder, "here");
    await mkdir(here);
    await writeFile(join(here, "large"), "old");
    await broken("demo:large", here, async () => (await readdir(here)).length === 2);
    expect(readFileSync(join(here, "large"), "utf8")).toBe("old");
    expect(await readdir(here)).toEqual(["large"]);
  });

  it("leaves out a link that leads out of the folder, and says so", async () => {
    await inside("mkdir -p links && ln -sf /etc/passwd links/out && ln -sf ../../up links/up && echo k > links/kept");
    const here = await tempFolder();
    const ran = await cp("demo:links", here);
    expect([ran.code, ran.stderr.split("\n").length]).toEqual([1, 3]);
    expect(readFileSync(join(here, "links/kept"), "utf8")).toBe("k\n");
    expect(() => lstatSync(join(here, "links/out"))).toThrow();
  });

  it("leaves out names that cannot travel, and says so", async () => {
    const folder = join(await tempFolder(), "names");
    await mkdir(folder);
    await writeFile(join(folder, "two\nlines"), "x");
    await writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.of(0xff, 0xfe)]), "x");
    await writeFile(join(folder, "n".repeat(200)), "x");
    const ran = await cp(folder, "demo:");
    expect([ran.code, ran.stderr.split("\n").length]).toEqual([1, 3]);
    expect(await inside("ls names")).toBe(`${"n".repeat(200)}\n`);
  });

  it("does not write through a link that waits in the destination", async () => {
    await inside("mkdir -p trap/door && echo pwned > trap/door/file");
    const [here, outside] = [await tempFolder(), await tempFolder()];
    await mkdir(join(here, "trap"));
    await symlink(outside, join(here, "trap/door"));
    expect((await cp("demo:trap", here)).code).toBe(1);
    expect(() => lstatSync(join(outside, "file"))).toThrow();
  });
});
