import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, symlink } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { obtainFirecracker } from "../../support/firecracker-binaries.ts";
import { rustBinary } from "../../support/rust-binaries.ts";
import { startTestDaemon, type TestDaemon } from "../../support/test-daemon.ts";
import { testCache } from "../../support/test-image.ts";

const SERVER_UID = 65_534;
const FIRST_MACHINE_UID = 2_000_000;
const MACHINE = "jailtestmachine0";
const DISK = "jailtestdisk0000";
const MEMORY_MIB = 128;
/** QEMU's own, its translation buffer, and tables that grow with the guest (rust/host/src/vmm/qemu/memory.rs). */
const OVERHEAD_MIB = 160 + 96 + MEMORY_MIB / 16 + 8;

// It is jailed here without KVM: what runs in its place needs none.
const found = await obtainFirecracker(testCache());
const firecracker = "absence" in found ? undefined : found;

let daemon: TestDaemon;
let pid: number;
let uid: number;
beforeAll(async () => {
  daemon = await startTestDaemon({ serverUid: SERVER_UID, firecracker });
  await daemon.client.createDisk(DISK, 64);
  const magic = "0123456789abcdef0123456789abcdef";
  const launch = { machineId: MACHINE, image: daemon.image.key, diskId: DISK, memoryMib: MEMORY_MIB, cpus: 1 } as const;
  ({ pid, uid } = await daemon.client.launch({ ...launch, accelerator: "tcg", magic }));
});
afterAll(async () => {
  await daemon.client.kill(MACHINE);
  await daemon.client.removeDisk(DISK);
  await daemon.close();
});

const status = async (name: string): Promise<string | undefined> =>
  new RegExp(`^${name}:\\s+(.*)$`, "m").exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1];

/** Every name the probe reports; one that is missing here or there fails. */
const CHECKS = [
  "read-database",
  "read-other-disk",
  "read-host-files",
  "see-host-processes",
  "signal-others",
  "trace-others",
  "write-outside",
  "write-image",
  "write-template",
  "gain-capability",
  "make-namespace",
  "use-devices",
  "use-network",
  "change-tap",
  "exceed-processes",
  "exceed-disk",
  "raise-limits",
  "read-environment",
  "use-descriptors",
];

// Where there is no Firecracker, the report says that these skip.
describe.each([
  { place: "QEMU", vmm: "qemu", isThere: true },
  { place: "Firecracker", vmm: "firecracker", isThere: firecracker !== undefined },
] as const)("the probe in $place's place", ({ vmm, isThere }) => {
  let checks: readonly { name: string; refused: boolean; detail: string }[] = [];
  beforeAll(async () => {
    if (!isThere) return;
    // A database for it to find, where a server's would be.
    await mkdir(join(daemon.data, "server"), { mode: 0o700, recursive: true });
    checks = (await daemon.client.probeJail(vmm)).checks;
  });

  it.runIf(isThere)("tries all there is to try", () => {
    expect(checks.map(({ name }) => name).sort()).toEqual([...CHECKS].sort());
  });

  it.runIf(isThere).each(CHECKS)("is refused to %s", (name) => {
    const check = checks.find((candidate) => candidate.name === name);
    // Of descriptors only those are reported that should not be open.
    if (name !== "use-descriptors") expect(check?.detail).not.toBe("");
    expect(check, check?.detail).toMatchObject({ refused: true });
  });
});

describe("a real QEMU, seen from outside", () => {
  it("runs as a user of its own", async () => {
    expect(uid).toBeGreaterThanOrEqual(FIRST_MACHINE_UID);
    expect(await status("Uid")).toBe(Array.from({ length: 4 }, () => uid).join("\t"));
    expect(await status("Gid")).toBe(Array.from({ length: 4 }, () => uid).join("\t"));
    expect(await readFile(`/proc/${pid}/status`, "utf8")).toMatch(/^Groups:\s*$/m);
    expect(await readFile(`/proc/${pid}/comm`, "utf8")).toMatch(/^qemu-system/);
  });

  it("has no capabilities and can gain none, and runs under seccomp", async () => {
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
      expect(await status(set), set).toMatch(/^0+$/);
    expect(await status("NoNewPrivs")).toBe("1");
    expect(await status("Seccomp")).toBe("2");
  });

  it.each(["mnt", "pid", "net", "ipc", "uts"])("has a %s namespace of its own", async (kind) => {
    const own = await readlink(`/proc/${pid}/ns/${kind}`);
    expect(own).not.toBe(await readlink(`/proc/self/ns/${kind}`));
  });

  it("sees an empty network", async () => {
    const links = (await readFile(`/proc/${pid}/net/dev`, "utf8")).split("\n").slice(2).filter(Boolean);
    expect(links.map((line) => line.trim().split(":")[0])).toEqual(["lo"]);
  });

  it("sees a root with its own few files, all but the disk read-only", async () => {
    expect((await readdir(`/proc/${pid}/root`)).sort()).not.toContain("root");
    for (const gone of ["root", "home", "proc", "sys", "run", "var", "tmp", "etc/passwd", "bin/sh", "usr/bin/env"]) {
      await expect(lstat(`/proc/${pid}/root/${gone}`), gone).rejects.toMatchObject({ code: "ENOENT" });
    }
    const mounts = (await readFile(`/proc/${pid}/mountinfo`, "utf8")).split("\n").filter(Boolean);
    const writable = mounts
      .map((line) => line.split(" "))
      .filter((words) => words[5]?.split(",")[0] === "rw")
      .map((words) => words[4]);
    for (const path of writable) expect(path).toMatch(/^\/(disk|dev\/(null|urandom))/);
  });

  it("holds the limits of its cgroup", async () => {
    const { cgroup } = await daemon.client.hello();
    const limit = async (v1: readonly [string, string], v2: string): Promise<number> => {
      const line = (await readFile(`/proc/${pid}/cgroup`, "utf8"))
        .split("\n")
        .find((candidate) =>
          cgroup === "v1" ? candidate.split(":")[1]?.split(",").includes(v1[0]) : candidate.startsWith("0::"),
        );
      const path = line?.split(":")[2] ?? "";
      expect(path).toContain(`microterm-${daemon.instance}/${MACHINE}`);
      const folder = cgroup === "v1" ? join("/sys/fs/cgroup", v1[0], path) : join("/sys/fs/cgroup", path);
      return Number(await readFile(join(folder, cgroup === "v1" ? v1[1] : v2), "utf8"));
    };
    const mib = (await limit(["memory", "memory.limit_in_bytes"], "memory.max")) / 2 ** 20;
    expect(mib).toBeGreaterThan(MEMORY_MIB);
    expect(mib).toBeLessThanOrEqual(MEMORY_MIB + OVERHEAD_MIB);
    const { fixedMib, cpuMib, memoryDivisor } = (await daemon.client.overhead()).tcg;
    expect(mib).toBe(MEMORY_MIB + fixedMib + cpuMib + MEMORY_MIB / (memoryDivisor ?? Number.POSITIVE_INFINITY));
    expect(await limit(["pids", "pids.max"], "pids.max")).toBeLessThanOrEqual(128);
  });

  it("holds its rlimits", async () => {
    const limits = await readFile(`/proc/${pid}/limits`, "utf8");
    const hard = (name: string): number => Number(new RegExp(`^${name}\\s+\\S+\\s+(\\d+)`, "m").exec(limits)?.[1]);
    expect(hard("Max core file size")).toBe(0);
    expect(hard("Max open files")).toBeLessThanOrEqual(1024);
    expect(hard("Max file size")).toBeLessThanOrEqual(64 * 2 ** 20);
    expect(hard("Max locked memory")).toBeLessThan(1024 * 2 ** 20);
  });

  it("was given no environment and no descriptor of the host", async () => {
    expect(await readFile(`/proc/${pid}/environ`, "utf8")).toBe("");
    const links = await Promise.all(
      (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")),
    );
    for (const link of links) {
      expect(link).toMatch(
        /^(socket:|pipe:|anon_inode:|\/run\/microterm-host\/mnt\/host\/machines\/jailtestmachine0\/stderr\.fifo|\/dev\/(null|urandom)|\/image\/|\/disk|\/memfd:|$)/,
      );
    }
  });

  it("runs with QEMU's own sandbox", async () => {
    const words = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
    expect(words[words.indexOf("-sandbox") + 1]).toBe(
      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    );
    expect(words).toContain("-no-user-config");
    expect(words).toContain("-nodefaults");
  });
});

describe("what lies on the host", () => {
  const entry = async (...parts: readonly string[]) => {
    const found = await lstat(join(daemon.data, "host", ...parts));
    return { uid: found.uid, mode: found.mode & 0o7777 };
  };

  it("is root's, but for the sockets of the server and the disk of the machine", async () => {
    expect(await entry()).toEqual({ uid: 0, mode: 0o711 });
    expect(await entry("machines")).toEqual({ uid: 0, mode: 0o711 });
    expect(await entry("machines", MACHINE)).toEqual({ uid: 0, mode: 0o711 });
    expect(await entry("machines", MACHINE, "agent.sock")).toEqual({ uid: SERVER_UID, mode: 0o600 });
    expect(await entry("machines", MACHINE, "qmp.sock")).toEqual({ uid: SERVER_UID, mode: 0o600 });
    expect(await entry("disks")).toEqual({ uid: 0, mode: 0o700 });
    expect(await entry("disks", `${DISK}.ext4`)).toEqual({ uid, mode: 0o600 });
    expect((await entry("images")).mode & 0o022).toBe(0);
    const record = await entry("machines", MACHINE, "machine.json");
    expect([record.uid, record.mode & 0o077]).toEqual([0, 0]);
  });

  /** What the daemon says to a connection of uid 1, which every Debian has. */
  const heardByOther = async (): Promise<string> => {
    const script = `const socket = require("net").connect(process.argv[1]);
      socket.on("data", (data) => process.stdout.write(data));
      socket.on("error", (error) => console.log(error.code));
      socket.setTimeout(60000, () => socket.destroy());`;
    const asOther = ["setpriv", "--reuid=1", "--regid=1", "--clear-groups", "--"];
    const { stdout } = await runCommand([...asOther, process.execPath, "-e", script, daemon.socketPath]);
    return stdout.trim();
  };

  it("is not for another user: the socket's mode stops them, and where it did not, the daemon", async () => {
    await chmod(daemon.data, 0o711);
    expect(await heardByOther()).toBe("EACCES");
    await chmod(daemon.socketPath, 0o666);
    const refused = JSON.parse(await heardByOther());
    await chmod(daemon.socketPath, 0o660);
    expect(refused).toMatchObject({ error: { code: "denied" } });
  });

  it("is not reached by an id that is a path", async () => {
    const ask = (line: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect(daemon.socketPath, () => socket.write(`${line}\n`));
        socket.setTimeout(60_000, () => socket.destroy(new Error("no answer")));
        socket.once("data", (data) => {
          resolve(data.toString());
          socket.destroy();
        });
        socket.once("error", reject);
      });
    for (const diskId of [
      "../../../etc/passwd",
      "/etc/passwd00",
      "a/../../b/../../c",
      "UPPERCASE",
      "short",
      "x".repeat(33),
      "nul\\u0000nul0",
    ]) {
      const answer = await ask(`{"id":1,"verb":"disk.remove","args":{"diskId":"${diskId}"}}`);
      expect(JSON.parse(answer), diskId).toMatchObject({ error: { code: "bad-request" } });
    }
  });
});

describe("a symbolic link", () => {
  it("in place of a disk is not followed", async () => {
    const victim = join(daemon.data, "victim");
    const link = join(daemon.data, "host/disks/linkeddisk000.ext4");
    await runCommand(["sh", "-c", `echo secret > ${victim}; chmod 600 ${victim}`]);
    await symlink(victim, link);
    const magic = "ffffffffffffffffffffffffffffffff";
    const launch = { image: daemon.image.key, memoryMib: MEMORY_MIB, cpus: 1, accelerator: "tcg", magic } as const;
    await expect(
      daemon.client.launch({ ...launch, machineId: "linkedmachine0", diskId: "linkeddisk000" }),
    ).rejects.toThrow();
    await daemon.client.kill("linkedmachine0");
    await daemon.client.removeDisk("linkeddisk000").catch(() => undefined);
    expect(await readFile(victim, "utf8")).toBe("secret\n");
    expect((await lstat(victim)).uid).toBe(0);
    expect((await lstat(victim)).mode & 0o7777).toBe(0o600);
    await rm(link, { force: true });
  });

  it("in place of the daemon's own folder makes it refuse to start", async () => {
    const data = await mkdtemp(join(tmpdir(), "mt-"));
    const elsewhere = join(data, "elsewhere");
    await mkdir(elsewhere);
    await symlink(elsewhere, join(data, "host"));
    const binary = await rustBinary("microterm-host");
    const serve = [binary, "serve", "--data", data, "--server-uid", "0", "--instance", "abcdefgh"];
    const refused = await runCommand(["timeout", "60", ...serve]);
    expect(refused.code).not.toBe(0);
    expect(refused.code).not.toBe(124);
    expect(refused.stderr).toMatch(/symbolic link|ELOOP|folder/i);
    expect(await readdir(elsewhere)).toEqual([]);
    await rm(data, { recursive: true });
  });

  it("put above it while it runs changes nothing", async () => {
    const parked = `${daemon.data}-parked`;
    await rename(daemon.data, parked);
    await mkdir(daemon.data);
    try {
      await expect(lstat(join(daemon.data, "host"))).rejects.toMatchObject({ code: "ENOENT" });
      const machines = (await daemon.client.list()).machines.map(({ machineId }) => machineId);
      expect(machines).toEqual([MACHINE]);
    } finally {
      await rm(daemon.data, { recursive: true, force: true });
      await rename(parked, daemon.data);
    }
  });
});
