import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CommandOptions, runCommand } from "@microterm/host";
import { type BuildProgress, buildImage, type ImageBuildError, verifyImage } from "@microterm/images";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { rustBinary } from "../../support/rust-binaries.ts";

/**
 * Some 298 MB, of which 100 are a C compiler, its headers, pip and locales, and 22 dig and rsync: a guest has no network to install
 * them from. What is larger has taken in more than was meant; a C++ compiler alone has 55 MB of files.
 */
const ROOT_BYTES = 350e6;

/** Nothing listens on port 1 of the loopback interface. */
const NOWHERE = { suite: "bookworm", lines: ["deb http://127.0.0.1:1/debian bookworm main"] };

let folder: string;
let agentBinary: string;
/** What the first, whole build gave; the other cases start from its cache. */
let built: Awaited<ReturnType<typeof buildImage>>;
const ended = new AbortController();
const commands: string[] = [];
const progress: BuildProgress[] = [];

const runner = {
  run(command: readonly string[], options?: CommandOptions) {
    commands.push(command.join(" "));
    return runCommand(command, options);
  },
};

const options = () => ({
  outDir: join(folder, "images"),
  cacheDir: join(folder, "cache"),
  scratchDir: join(folder, "scratch"),
  agentBinary,
  runner,
  onProgress: (report: BuildProgress) => progress.push(report),
});

const said = () => progress.map(({ text }) => text).join("\n");
const left = async () => (await readdir(join(folder, "scratch"))).concat(await readdir(join(folder, "cache/bases")));

/** Command lines that name this test's folder, and mounts in it. */
async function traces(): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  return [...lines, ...mounts].filter((line) => line.includes(folder));
}

beforeAll(async () => {
  folder = await mkdtemp("/var/tmp/microterm-image-test-");
  // A user namespace has to get in.
  await chmod(folder, 0o755);
  await mkdir(join(folder, "scratch"));
  agentBinary = join(folder, "agent");
  await cp(await rustBinary("microterm-agent"), agentBinary);
  built = await buildImage({ ...options(), signal: ended.signal });
  // A minute on a quiet machine; compiling the agent and a loaded one take their time, too.
}, 900_000);

afterAll(async () => {
  ended.abort();
  try {
    await vi.waitFor(async () => expect(await traces()).toEqual([]), { timeout: 60_000, interval: 100 });
  } finally {
    await rm(folder, { recursive: true });
  }
});

describe("buildImage", () => {
  test("makes a whole image, small enough, and tells its steps", async () => {
    expect(built.made).toBe("all");
    expect(await verifyImage(built.directory)).toEqual({ ok: true, corrupt: [] });
    expect((await readdir(built.directory)).sort()).toEqual(["initrd.cpio", "manifest.json", "root.erofs", "vmlinuz"]);
    expect(built.directory).toBe(join(folder, "images", built.manifest.key));
    expect(built.manifest.files["root.erofs"].size).toBeLessThan(ROOT_BYTES);
    expect((await readFile(join(built.directory, "vmlinuz"))).subarray(0, 4).toString("latin1")).toBe("\x7fELF");
    const steps = [...new Set(progress.map(({ step }) => step))];
    expect(steps).toEqual(["check", "sources", "packages", "kernel", "guest", "filesystem", "initrd", "finish"]);
    expect(await readdir(join(folder, "scratch"))).toEqual([]);
  });

  test("finds a finished one again and starts nothing", async () => {
    commands.length = 0;
    expect(await buildImage(options())).toEqual({ ...built, made: "reused" });
    expect(commands).toEqual([]);
  });

  test("packs a new agent without rebuilding the base", async () => {
    await writeFile(agentBinary, "another", { flag: "a" });
    commands.length = 0;
    const image = await buildImage(options());
    expect([image.made, commands]).toEqual(["initrd", []]);
    expect(image.manifest.key).not.toBe(built.manifest.key);
    const link = (directory: string) => stat(join(directory, "root.erofs")).then(({ ino }) => ino);
    expect(await link(image.directory)).toBe(await link(built.directory));
  });

  test("replaces a corrupt image and says which file was at fault", async () => {
    const { directory } = await buildImage(options());
    await truncate(join(directory, "initrd.cpio"), 1000);
    progress.length = 0;
    expect((await buildImage(options())).made).toBe("initrd");
    expect(said()).toMatch(/corrupt \(initrd\.cpio has 1000 bytes instead of \d+\); it is rebuilt/);
    expect((await verifyImage(directory)).ok).toBe(true);
  });

  test("explains a mirror that can't be reached, and leaves nothing behind", async () => {
    const offline = { ...options(), cacheDir: join(folder, "offline"), sources: NOWHERE };
    const failure = await buildImage({ ...offline, outDir: join(folder, "offline") }).catch((error) => error);
    expect(failure).toMatchObject({ name: "ImageBuildError", step: "sources" });
    expect(failure.message).toContain("the Debian mirror can't be reached: http://127.0.0.1:1/debian");
    expect((failure as ImageBuildError).hint).toContain("http_proxy");
    expect(await readdir(join(folder, "scratch"))).toEqual([]);
    expect(await readdir(join(folder, "offline/bases"))).toEqual([]);
  });

  test("ends with all its programs when aborted", async () => {
    const abort = new AbortController();
    const started = buildImage({
      ...options(),
      outDir: join(folder, "aborted"),
      cacheDir: join(folder, "aborted"),
      signal: abort.signal,
      onProgress: ({ step }) => step === "packages" && abort.abort(new Error("no longer wanted")),
    });
    await expect(started).rejects.toThrow("no longer wanted");
    await vi.waitFor(async () => expect(await traces()).toEqual([]), { timeout: 60_000, interval: 100 });
    expect(await readdir(join(folder, "scratch"))).toEqual([]);
  });

  test("a build killed with -9 ends with all its programs, and the next one removes what it left", async () => {
    const where = join(folder, "killed");
    const source = `import { runCommand } from "@microterm/host"; import { buildImage } from "@microterm/images";
      await buildImage({ outDir: ${JSON.stringify(where)}, cacheDir: ${JSON.stringify(where)}, scratchDir: ${JSON.stringify(join(folder, "scratch"))},
        agentBinary: ${JSON.stringify(agentBinary)}, runner: { run: runCommand },
        onProgress: ({ step }) => step === "packages" && process.kill(process.pid, "SIGKILL") });`;
    const program = join(import.meta.dirname, `killed-${process.pid}.mjs`);
    await writeFile(program, source);
    const { signal } = await runCommand([process.execPath, program]).finally(() => rm(program));
    expect(signal).toBe("SIGKILL");
    await vi.waitFor(async () => expect(await traces()).toEqual([]), { timeout: 60_000, interval: 100 });
    expect((await left()).filter((name) => name.startsWith("microterm-image-"))).not.toEqual([]);
    await buildImage(options());
    expect(await readdir(join(folder, "scratch"))).toEqual([]);
  });
});

/** The guest's console up to a line; a boot that hangs in emulation is tried once more. */
async function consoleUntil(line: string): Promise<string> {
  const path = (file: string) => join(built.directory, file);
  const mhz = /^cpu MHz\s*: ([\d.]+)$/m.exec(await readFile("/proc/cpuinfo", "utf8"))?.[1];
  const khz = Math.round(Number(mhz) * 1000);
  const command = [
    ...["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-m", "192", "-cpu", "max"],
    ...["-M", "microvm,x-option-roms=off,rtc=on", "-accel", "tcg,tb-size=64", "-no-reboot", "-serial", "stdio"],
    ...["-kernel", path("vmlinuz"), "-initrd", path("initrd.cpio")],
    ...["-append", `console=ttyS0 quiet panic=-1 tsc_early_khz=${khz} microterm.magic=${"0".repeat(32)}`],
    ...["-drive", `id=base,if=none,format=raw,readonly=on,file=${path("root.erofs")}`],
    ...["-device", "virtio-blk-device,drive=base,serial=base"],
    ...["-device", "virtio-serial-device", "-chardev", "null,id=agent"],
    ...["-device", "virtserialport,chardev=agent,name=microterm.agent"],
  ];
  let seen = "";
  for (let attempt = 0; attempt < 2 && !seen.includes(line); attempt++) {
    const done = new AbortController();
    const signal = AbortSignal.any([done.signal, AbortSignal.timeout(120_000)]);
    const onLine = (text: string) => {
      seen += `${text}\n`;
      if (text.includes(line)) done.abort();
    };
    await runCommand(command, { signal, onLine }).catch(() => undefined);
  }
  return seen;
}

test("the image boots: kernel, modules, erofs root and overlay, up to the agent's service", async () => {
  expect(await consoleUntil("microterm-agent: ready")).toContain("microterm-agent: ready");
});
