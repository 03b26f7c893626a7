import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { type Header, pack } from "tar-stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { extractTar } from "./extract.ts";
import { HostileTarError } from "./member.ts";

interface Member {
  readonly name: string;
  readonly type?: Header["type"];
  readonly linkname?: string;
  readonly content?: string;
  readonly mode?: number;
}

let box: string;
let into: string;
beforeEach(async () => {
  box = await mkdtemp(join(tmpdir(), "mt-extract-"));
  into = join(box, "into");
  mkdirSync(into);
  mkdirSync(join(box, "outside"));
  writeFileSync(join(box, "outside/precious"), "precious");
});
afterEach(async () => {
  await rm(box, { recursive: true, force: true });
});

function tarOf(members: readonly Member[]): AsyncIterable<Uint8Array> {
  const tar = pack();
  for (const { content = "", ...member } of members)
    tar.entry({ ...member, size: Buffer.byteLength(content) }, content);
  tar.finalize();
  return tar as AsyncIterable<unknown> as AsyncIterable<Uint8Array>;
}

async function extract(members: readonly Member[], maxMembers?: number): Promise<string[]> {
  const skipped: string[] = [];
  await extractTar(tarOf(members), {
    into,
    isNew: false,
    onBytes: () => {},
    onSkipped: (member) => skipped.push(member),
    ...(maxMembers === undefined ? {} : { maxMembers }),
  });
  return skipped;
}

/** Everything in the box but what was extracted, which may hold links in circles: `recursive` follows them. */
function outside(): string[] {
  const below = readdirSync(join(box, "outside"), { recursive: true, encoding: "utf8" });
  return [...readdirSync(box), ...below.map((path) => `outside/${path}`)].sort();
}
const UNTOUCHED = ["into", "outside", "outside/precious"];

describe("an honest tar", () => {
  it("is extracted below the destination, without its first component", async () => {
    const skipped = await extract([
      { name: "home/", type: "directory" },
      { name: "home/a/b", content: "text", mode: 0o640 },
      { name: "home/link", type: "symlink", linkname: "a/b" },
      { name: "home/a/up", type: "symlink", linkname: "../a/b" },
      { name: "home/hard", type: "link", linkname: "home/a/b" },
      { name: `home/${"long".repeat(40)}`, content: "x" },
    ]);
    expect(skipped).toEqual([]);
    expect(["a/b", "link", "a/up", "hard"].map((path) => readFileSync(join(into, path), "utf8"))).toEqual(
      Array(4).fill("text"),
    );
    expect(lstatSync(join(into, "a/b")).mode & 0o7777).toBe(0o640);
  });

  it("replaces files and links that are there, and not what links point to", async () => {
    writeFileSync(join(into, "file"), "old");
    symlinkSync(join(box, "outside/precious"), join(into, "link"));
    await extract([
      { name: "h/file", content: "new" },
      { name: "h/link", content: "new" },
    ]);
    expect([readFileSync(join(into, "file"), "utf8"), readFileSync(join(into, "link"), "utf8")]).toEqual([
      "new",
      "new",
    ]);
    expect(readFileSync(join(box, "outside/precious"), "utf8")).toBe("precious");
  });

  it("gives nobody set-uid files", async () => {
    await extract([{ name: "h/tool", mode: 0o6755, content: "x" }]);
    expect(lstatSync(join(into, "tool")).mode & 0o7777).toBe(0o755);
  });
});

describe("a hostile tar", () => {
  it.each<[string, Member[]]>([
    ["an absolute name", [{ name: "/etc/x", content: "x" }]],
    ["a name that leads out", [{ name: "h/../../outside/x", content: "x" }]],
    ["a name that leads out at once", [{ name: "../outside/x", content: "x" }]],
    ["a name that leads up and back in", [{ name: "h/a/../b", content: "x" }]],
    [
      "a file through its own link",
      [
        { name: "h/d", type: "symlink", linkname: "a" },
        { name: "h/a/", type: "directory" },
        { name: "h/d/x", content: "x" },
      ],
    ],
    [
      "a folder in place of its link",
      [
        { name: "h/d", type: "symlink", linkname: "a" },
        { name: "h/d/", type: "directory" },
      ],
    ],
    [
      "a link in place of a folder",
      [
        { name: "h/d/", type: "directory" },
        { name: "h/d", type: "symlink", linkname: "a" },
      ],
    ],
    ["a hard link to a file of the host", [{ name: "h/x", type: "link", linkname: "h/../../outside/precious" }]],
    ["a hard link to an absolute path", [{ name: "h/x", type: "link", linkname: "/etc/passwd" }]],
    ["a hard link to what was not copied", [{ name: "h/x", type: "link", linkname: "h/nothing" }]],
    [
      "a hard link through a link",
      [
        { name: "h/l", type: "symlink", linkname: "f" },
        { name: "h/x", type: "link", linkname: "h/l" },
      ],
    ],
    ["a character device", [{ name: "h/null", type: "character-device" }]],
    ["a block device", [{ name: "h/sda", type: "block-device" }]],
    ["a file as the folder itself", [{ name: "h", content: "x" }]],
    ["a name of 5,000 bytes", [{ name: `h/${"x/".repeat(2500)}`, content: "x" }]],
    ["a thousand folders deep", [{ name: `h/${"x/".repeat(1000)}y`, content: "x" }]],
  ])("with %s is refused", async (_, members) => {
    await expect(extract(members)).rejects.toBeInstanceOf(HostileTarError);
    expect(outside()).toEqual(UNTOUCHED);
  });

  it("has links left out that lead outside", async () => {
    const skipped = await extract([
      { name: "h/abs", type: "symlink", linkname: "/etc/passwd" },
      { name: "h/up", type: "symlink", linkname: "../outside" },
      { name: "h/a/", type: "directory" },
      { name: "h/sly", type: "symlink", linkname: "a/../../outside" },
      { name: "h/pipe", type: "fifo" },
    ]);
    expect(skipped).toEqual(["h/abs", "h/up", "h/sly", "h/pipe"]);
    expect(readdirSync(into)).toEqual(["a"]);
  });

  it("cannot write through a link that was in the destination before", async () => {
    symlinkSync(join(box, "outside"), join(into, "door"));
    await expect(extract([{ name: "h/door/precious", content: "gone" }])).rejects.toBeInstanceOf(HostileTarError);
    expect(readFileSync(join(box, "outside/precious"), "utf8")).toBe("precious");
  });

  it("of too many members is ended", async () => {
    const members = Array.from({ length: 20 }, (_, i) => ({ name: `h/${i}` }));
    await expect(extract(members, 10)).rejects.toThrow("one too many");
  });

  it("that is cut, or is none, is an error", async () => {
    const pieces: Uint8Array[] = [];
    for await (const piece of tarOf([{ name: "h/a", content: "x".repeat(5000) }])) pieces.push(piece);
    const whole = Buffer.concat(pieces);
    const options = { into, isNew: false, onBytes: () => {}, onSkipped: () => {} };
    const feed = async function* (bytes: Uint8Array) {
      yield bytes;
    };
    await expect(extractTar(feed(whole.subarray(0, 2000)), options)).rejects.toThrow();
    await expect(extractTar(feed(Buffer.alloc(4096, 0x41)), options)).rejects.toThrow();
  });

  it("may have links in a circle, all of which stay inside", async () => {
    await extract([
      { name: "a/precious/a", type: "symlink", linkname: "../" },
      { name: "h/a", type: "symlink", linkname: "precious" },
    ]);
    expect(outside()).toEqual(UNTOUCHED);
    expect(readlinkSync(join(into, "a"))).toBe("precious");
  });

  it("never reaches outside, whatever its members are", async () => {
    const part = fc.constantFrom("a", "b", "..", ".", "", "outside", "precious");
    const path = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"));
    const member = fc.record({
      name: fc
        .oneof(
          path,
          path.map((text) => `h/${text}`),
        )
        .filter((name) => name !== ""),
      type: fc.constantFrom<Header["type"]>("file", "directory", "symlink", "link"),
      linkname: path,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(member, { maxLength: 12 }), async (members) => {
        await rm(into, { recursive: true, force: true });
        mkdirSync(into);
        await extract(
          members.map((one) => (one.type === "file" ? { ...one, linkname: "", content: "evil" } : one)),
        ).catch((error: unknown) => {
          // Whatever else goes wrong is the file system's word, like a folder where a file should be.
          if (!(error instanceof Error)) throw error;
        });
        expect(outside()).toEqual(UNTOUCHED);
        expect(readFileSync(join(box, "outside/precious"), "utf8")).toBe("precious");
      }),
      { numRuns: 400 },
    );
  });
});
