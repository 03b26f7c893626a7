import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SetupError } from "../progress.ts";
import { downloadFirecracker } from "./download.ts";
import { findFirecracker } from "./programs.ts";
import { pinnedRelease, type Release } from "./release.ts";

const CONTENT = { firecracker: `fire${"x".repeat(300_000)}`, jailer: "jail" };
const sum = (text: string) => createHash("sha256").update(text).digest("hex");

let root: string;
let archive: Buffer;
let server: Server;
/** What the release's server does with a request. */
let answer: (response: ServerResponse) => void;
let release: Release;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "mt-fc-"));
  archive = pack(CONTENT);
  answer = (response) => void response.end(archive);
  server = createServer((_request, response) => answer(response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  release = {
    version: "1.12.1",
    url: `http://127.0.0.1:${port}/firecracker-v1.12.1-x86_64.tgz`,
    programs: (["firecracker", "jailer"] as const).map((program) => ({
      ...{ program, member: `release-v1.12.1-x86_64/${program}-v1.12.1-x86_64`, sha256: sum(CONTENT[program]) },
    })),
  };
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(root, { recursive: true });
});

/** As the official archive is laid out: more than what is wanted, in a folder. */
function pack(content: Partial<typeof CONTENT>, format = "gnu"): Buffer {
  const folder = join(root, "release-v1.12.1-x86_64");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  writeFileSync(join(folder, "LICENSE"), "words".repeat(1000));
  for (const [name, text] of Object.entries(content)) writeFileSync(join(folder, `${name}-v1.12.1-x86_64`), text);
  writeFileSync(join(folder, "seccompiler-bin-v1.12.1-x86_64"), "y".repeat(100_000));
  const tar = spawnSync("tar", ["-c", `--format=${format}`, "-C", root, "release-v1.12.1-x86_64"]);
  return gzipSync(tar.stdout);
}

const cache = () => join(root, "cache");
const notes: string[] = [];
const quiet = {
  note: (text: string) => void notes.push(text),
  step: () => ({ update: () => {}, done: () => {}, warn: () => {} }),
};
const download = (more: { readonly timeoutMs?: number } = {}) =>
  downloadFirecracker({ release, cache: cache(), progress: quiet, ...more });

async function failure(more: { readonly timeoutMs?: number } = {}): Promise<SetupError> {
  const error = await download(more).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(SetupError);
  // Nothing is there that `up` would find, and nothing else of the attempt.
  expect(existsSync(join(cache(), "firecracker")) ? readdirSync(join(cache(), "firecracker")) : []).toEqual([]);
  return error as SetupError;
}

describe("a release", () => {
  it.each(["gnu", "ustar", "pax"])("is put where `up` finds it (%s)", async (format) => {
    archive = pack(CONTENT, format);
    const folder = await download();
    expect(readdirSync(folder).sort()).toEqual(["firecracker", "jailer"]);
    expect(readFileSync(join(folder, "firecracker"), "utf8")).toBe(CONTENT.firecracker);
    expect(statSync(join(folder, "jailer")).mode & 0o777).toBe(0o755);
    expect(findFirecracker({ env: {}, cache: cache() })).toEqual({
      ...{ firecracker: join(folder, "firecracker"), jailer: join(folder, "jailer") },
    });
  });

  it("is not downloaded twice, and is where what is there is another", async () => {
    const folder = await download();
    answer = (response) => void response.writeHead(500).end();
    await download();
    expect(notes.at(-1)).toContain(`are in ${folder} already`);
    answer = (response) => void response.end(archive);
    writeFileSync(join(folder, "jailer"), "another");
    chmodSync(join(folder, "jailer"), 0o755);
    await download();
    expect(readFileSync(join(folder, "jailer"), "utf8")).toBe(CONTENT.jailer);
  });
});

describe("what cannot be had is refused, with how to place it by hand", () => {
  const BY_HAND =
    /get that file elsewhere.*release-v1.12.1-x86_64\/jailer-v1.12.1-x86_64 as .*\/jailer.*MICROTERM_FIRECRACKER=/;

  it("one whose programs are others", async () => {
    archive = pack({ ...CONTENT, jailer: "jaiI" });
    const { message, hint } = await failure();
    expect(message).toContain(`has SHA-256 ${sum("jaiI")}, and must have ${sum("jail")}`);
    expect(hint).toMatch(BY_HAND);
  });

  it("one that is cut off, at any place", async () => {
    const whole = archive;
    for (const part of [0, 1, 20, whole.length / 4, whole.length / 2]) {
      archive = whole.subarray(0, part);
      expect((await failure()).hint).toMatch(BY_HAND);
    }
    answer = (response) => {
      response.writeHead(200, { "content-length": whole.length });
      response.write(whole.subarray(0, 100), () => response.destroy());
    };
    expect((await failure()).message).toContain(release.url);
  });

  it("one without what is wanted, or that is no archive", async () => {
    archive = pack({ firecracker: CONTENT.firecracker });
    expect((await failure()).message).toContain("jailer-v1.12.1-x86_64 is not in it");
    archive = gzipSync("x".repeat(2000));
    expect((await failure()).message).toContain("it is no tar");
    archive = Buffer.from("<html>Sign in to this network</html>");
    expect((await failure()).message).toContain("incorrect header check");
  });

  it("one that is not there", async () => {
    answer = (response) => void response.writeHead(404).end("no");
    const { message, hint } = await failure();
    expect(message).toContain("the answer is 404 Not Found");
    expect(hint).toMatch(BY_HAND);
  });

  it("one that nobody answers for", async () => {
    server.close();
    server.closeAllConnections();
    const { message, hint } = await failure();
    expect(message).toMatch(/fetch failed: .*ECONNREFUSED/);
    expect(hint).toMatch(BY_HAND);
  });

  it("one that never ends", async () => {
    answer = (response) => void response.write(archive.subarray(0, 50));
    expect((await failure({ timeoutMs: 300 })).message).toContain("it did not come in time");
    answer = () => {};
    expect((await failure({ timeoutMs: 300 })).message).toContain("it did not come in time");
  });
});

it("only what is known byte by byte is downloaded", () => {
  expect(pinnedRelease("x64")).toMatchObject({
    url: "https://github.com/firecracker-microvm/firecracker/releases/download/v1.12.1/firecracker-v1.12.1-x86_64.tgz",
    programs: [
      { member: "release-v1.12.1-x86_64/firecracker-v1.12.1-x86_64", sha256: expect.stringMatching(/^b99ea49b/) },
      { member: "release-v1.12.1-x86_64/jailer-v1.12.1-x86_64", sha256: expect.stringMatching(/^86622337/) },
    ],
  });
  expect(() => pinnedRelease("arm64")).toThrow("no Firecracker is known for arm64 machines");
});
