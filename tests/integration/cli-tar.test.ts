import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { extractTar } from "../../packages/cli/src/copy/extract.ts";
import { startServer, type TestServer } from "../../support/server.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { cli, cliOk, tempFolder } from "./cli-run.ts";

let server: TestServer;
/** The environment's home, which the process driver has on this host. */
let home: string;
let box: string;
beforeAll(async () => {
  server = await startServer();
  await server.environment("demo");
  home = (await cliOk(server, ["exec", "demo", "pwd"])).trim();
  box = (await makeTempFolder()).path;
  execFileSync("sh", ["-ec", TREE], { cwd: box });
});
afterAll(async () => {
  await rm(box, { recursive: true, force: true });
  expect(await server.dispose()).toEqual([]);
});

/** One of each kind that a tar can carry. */
const TREE = `mkdir -p tree/dir tree/sealed; cd tree
  echo text >dir/file; chmod 640 dir/file; : >empty; printf 1 >sealed/inner; chmod 444 sealed/inner
  ln dir/file hard; ln dir/file z-hard; ln -s dir/file link; ln -s nowhere dangling; mkfifo pipe
  truncate -s 3M holes; printf data | dd of=holes bs=1M seek=1 conv=notrunc status=none; truncate -s 2M hole
  echo long >"$(printf 'n%.0s' $(seq 180))"; ln -s "$(printf 't%.0s' $(seq 180))" long-link; echo u >ünï
  chmod 555 sealed; find . -exec touch -h -d @1500000000 {} +; touch -d @1500000001 sealed dir .
  touch -d @5000000000 ünï`;

interface Thing {
  readonly type: string;
  readonly mode: number;
  readonly mtime: number;
  readonly content?: string;
  /** The first path of the same file. */
  readonly first?: string;
  readonly isSparse?: boolean;
}

const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

/** What a tree holds, by path. */
function things(root: string): Record<string, Thing> {
  const found: Record<string, Thing> = {};
  const firsts = new Map<number, string>();
  for (const path of ["", ...readdirSync(root, { recursive: true, encoding: "utf8" })].sort()) {
    const stats = lstatSync(join(root, path));
    const type = ["File", "Directory", "SymbolicLink", "FIFO"].find((kind) => stats[`is${kind}` as "isFile"]()) ?? "?";
    const first = firsts.get(stats.ino) ?? path;
    firsts.set(stats.ino, first);
    found[path] = {
      type,
      mode: stats.mode & 0o7777,
      mtime: type === "SymbolicLink" ? 0 : Math.floor(stats.mtimeMs / 1000),
      ...(type === "SymbolicLink" ? { content: readlinkSync(join(root, path)) } : {}),
      ...(type === "File"
        ? { content: sha256(join(root, path)), first, isSparse: stats.blocks * 512 < stats.size }
        : {}),
    };
  }
  return found;
}

const without = (tree: Record<string, Thing>, ...paths: string[]) =>
  Object.fromEntries(Object.entries(tree).filter(([path]) => !paths.includes(path)));
const dense = (tree: Record<string, Thing>) =>
  Object.fromEntries(Object.entries(tree).map(([path, { isSparse: _, ...thing }]) => [path, thing]));

const python = (format: string) => [
  "python3",
  "-c",
  `import sys, tarfile; t = tarfile.open(sys.argv[1], "w", format=tarfile.${format}); t.add("tree"); t.close()`,
];
const gnu = (...options: string[]) => ["tar", ...options, "-cf"];
/** Who writes a tar, by a command that takes its name; whether its holes are kept; how the CLI reads it. */
const WRITERS: readonly (readonly [string, readonly string[], boolean, "whole" | "refused" | "left out"])[] = [
  ["GNU tar", gnu("--format=gnu"), false, "whole"],
  ["GNU tar, sparse", gnu("--format=gnu", "-S"), true, "refused"],
  ["GNU tar, pax", gnu("--format=pax"), false, "whole"],
  ["GNU tar, pax, sparse 0.0", gnu("--format=pax", "-S", "--sparse-version=0.0"), true, "left out"],
  ["GNU tar, pax, sparse 0.1", gnu("--format=pax", "-S", "--sparse-version=0.1"), true, "left out"],
  ["GNU tar, pax, sparse 1.0", gnu("--format=pax", "-S", "--sparse-version=1.0"), true, "whole"],
  ["Python, pax", python("PAX_FORMAT"), false, "whole"],
  ["Python, GNU", python("GNU_FORMAT"), false, "whole"],
];

function written([program = "", ...args]: readonly string[]): string {
  const tar = join(box, "t.tar");
  const names = program === "tar" ? [tar, "tree"] : [tar];
  execFileSync(program, [...args, ...names], { cwd: box });
  return tar;
}

describe("a tar", () => {
  it.each(WRITERS)("by %s is extracted in an environment as it is", async (name, command, keepsHoles) => {
    const folder = `up-${name.replace(/\W+/g, "-")}`;
    mkdirSync(join(home, folder));
    const raw = readFileSync(written(command));
    const answer = await server.call("PUT", `/v1/environments/demo/files/tar?path=${folder}`, {
      raw,
      headers: { "content-type": "application/x-tar" },
    });
    expect([answer.status, answer.json]).toMatchObject([200, { leftOut: [], leftOutCount: 0 }]);
    const [got, expected] = [things(join(home, folder, "tree")), things(join(box, "tree"))];
    if (keepsHoles) expect(got).toEqual(expected);
    else expect(dense(got)).toEqual(dense(expected));
  });

  it.each(WRITERS)("by %s is extracted here as it is, or what is not is named", async (_, command, keepsHoles, how) => {
    const into = await tempFolder();
    const skipped: string[] = [];
    const tar = createReadStream(written(command));
    const extracting = extractTar(tar, {
      into,
      isNew: true,
      onBytes: () => undefined,
      onSkipped: (member) => skipped.push(member.replace(/^.*\//, "")),
    });
    if (how === "refused") {
      await expect(extracting).rejects.toThrow(/"tree\/hole"|"tree\/holes"/);
      return;
    }
    await extracting;
    // Node can make no named pipe.
    const expectedSkipped = how === "left out" ? ["hole", "holes", "pipe"] : ["pipe"];
    expect(skipped.sort()).toEqual(expectedSkipped);
    const [got, expected] = [things(into), without(things(join(box, "tree")), ...expectedSkipped)];
    if (keepsHoles) expect(got).toEqual(expected);
    else expect(dense(got)).toEqual(dense(expected));
  });

  it.each([
    ["GNU tar", ["tar", "--warning=no-timestamp", "-xpf"]],
    ["Python", ["python3", "-c", "import sys, tarfile; tarfile.open(sys.argv[1]).extractall()"]],
  ] as const)("of an environment is what %s makes of it", async (_, [program, ...args]) => {
    execFileSync("cp", ["-a", join(box, "tree"), join(home, "out")]);
    const { bytes, status } = await server.call("GET", "/v1/environments/demo/files/tar?path=out");
    expect(status).toBe(200);
    const into = await tempFolder();
    const tar = join(into, "t.tar");
    (await import("node:fs")).writeFileSync(tar, bytes);
    execFileSync(program, [...args, tar], { cwd: into });
    expect(things(join(into, "out"))).toEqual(things(join(box, "tree")));
    execFileSync("rm", ["-rf", join(home, "out")]);
  });
});

describe("cp", () => {
  it("keeps each kind on its way in and out, and names what it cannot make", async () => {
    const up = await cli(server, ["cp", join(box, "tree"), "demo:there"]);
    expect([up.code, up.stderr]).toEqual([0, ""]);
    expect(things(join(home, "there"))).toEqual(things(join(box, "tree")));
    const back = join(await tempFolder(), "back");
    const down = await cli(server, ["cp", "demo:there", back]);
    expect([down.code, down.stderr]).toEqual([
      1,
      expect.stringMatching(/^microterm: left out there\/pipe: it is a named pipe\n$/),
    ]);
    expect(things(back)).toEqual(without(things(join(box, "tree")), "pipe"));
  });

  it("keeps times that a header has no room for", async () => {
    const here = await tempFolder();
    execFileSync("sh", ["-ec", "mkdir times; touch -d @-1000 times/before; touch -d @5000000000 times/after"], {
      cwd: here,
    });
    expect(await cli(server, ["cp", join(here, "times"), "demo:"])).toMatchObject({ code: 0, stderr: "" });
    expect(await cli(server, ["cp", "demo:times", join(here, "back")])).toMatchObject({ code: 0, stderr: "" });
    for (const folder of [join(home, "times"), join(here, "back")]) {
      const times = ["before", "after"].map((name) => lstatSync(join(folder, name)).mtimeMs);
      expect(times).toEqual([-1_000_000, 5_000_000_000_000]);
    }
  });

  it("honours the umask, and leaves folders that were there as they are", async () => {
    await cliOk(server, ["exec", "demo", "sh", "-c", "mkdir -p open/inner && touch open/inner/f && chmod -R 777 open"]);
    const here = await tempFolder();
    mkdirSync(join(here, "open"), { mode: 0o711 });
    const command = `umask 027; exec ${process.execPath} ${join(import.meta.dirname, "../../packages/cli/src/main.ts")} cp demo:open .`;
    execFileSync("sh", ["-c", command], { cwd: here, env: { ...process.env, MICROTERM_DATA: server.data } });
    const modes = ["open", "open/inner", "open/inner/f"].map((path) => lstatSync(join(here, path)).mode & 0o777);
    expect(modes).toEqual([0o711, 0o750, 0o750]);
  });

  it("keeps a single file's time and holes both ways, and does not replace a link that leads nowhere", async () => {
    const here = await tempFolder();
    const holes = join(box, "tree/holes");
    expect(await cli(server, ["cp", holes, "demo:single"])).toMatchObject({ code: 0, stderr: "" });
    expect(await cli(server, ["cp", "demo:single", here])).toMatchObject({ code: 0, stderr: "" });
    for (const path of [join(home, "single"), join(here, "single")]) {
      const stats = lstatSync(path);
      expect([stats.mtimeMs, stats.size, stats.blocks * 512 < 1 << 20]).toEqual([1_500_000_000_000, 3 << 20, true]);
      expect(readFileSync(path).equals(readFileSync(holes))).toBe(true);
    }
    execFileSync("sh", ["-c", 'ln -s nowhere "$0/dangling"; ln -s nowhere "$1/dangling"', here, home]);
    expect((await cli(server, ["cp", holes, "demo:dangling"])).code).toBe(1);
    expect((await cli(server, ["cp", "demo:single", join(here, "dangling")])).code).toBe(1);
    for (const folder of [here, home]) expect(readlinkSync(join(folder, "dangling"))).toBe("nowhere");
  });

  it("names what has no UTF-8 name, and copies the rest", async () => {
    const script = "mkdir names; cd names; touch \"$(printf 'caf\\351')\" \"$(printf 'caf\\350')\" plain";
    await cliOk(server, ["exec", "demo", "sh", "-c", script]);
    const here = await tempFolder();
    const ran = await cli(server, ["cp", "demo:names", here]);
    expect([ran.code, ran.stderr.match(/no UTF-8/g)?.length]).toEqual([1, 2]);
    expect(readdirSync(join(here, "names"))).toEqual(["plain"]);
  });
});
