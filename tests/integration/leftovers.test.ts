import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { instanceName } from "../../packages/setup/src/data/paths.ts";
import { findLeftovers } from "../../packages/setup/src/doctor/leftovers.ts";
import { startSlotDaemon } from "../../support/slot-daemon.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";

const MAIN = join(import.meta.dirname, "../../packages/setup/src/main.ts");
const MACHINE = "leftmachine1";
/** Above what daemons of this host have come to. */
const CLAIM = "/run/microterm-host/uids/2065535";

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}

function doctor(data: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [MAIN, "doctor", "--leftovers", "--data", data, ...args],
    { encoding: "utf8" },
  );
  return { status, stdout, stderr };
}

/** Where a cgroup of this host may be made for processes: v2, or v1's pids. */
const cgroupRoot = (): string => (existsSync("/sys/fs/cgroup/pids") ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup");

it.runIf(process.getuid?.() === 0)(
  "doctor --leftovers lists each kind of thing that bears the folder's name",
  async () => {
    const folder = await makeTempFolder();
    onTestFinished(() => folder.remove());
    const instance = instanceName(folder.path);
    expect(doctor(folder.path)).toEqual({ status: 0, stdout: "✓ nothing is left\n", stderr: "" });

    const undo: (() => void)[] = [];
    const clean = (): void => {
      for (const one of undo.splice(0).reverse()) one();
    };
    onTestFinished(clean);
    const made = (make: () => void, unmake: () => void): void => {
      make();
      undo.push(unmake);
    };
    const namespace = `microterm-${instance}-s3`;
    const link = `mt-${instance}`;
    const table = `microterm-${instance}`;
    const group = join(cgroupRoot(), table);
    const machine = join(folder.path, "host/machines", MACHINE);
    mkdirSync(machine, { recursive: true });
    const slots = join("/run/microterm-host/slots", instance);
    made(
      () => mkdirSync(slots, { recursive: true, mode: 0o700 }),
      () => rmSync(slots, { recursive: true }),
    );
    writeFileSync(join(slots, "s3.json"), "{}");
    made(
      () => run("ip", "netns", "add", namespace),
      () => run("ip", "netns", "delete", namespace),
    );
    made(
      () => run("ip", "link", "add", link, "type", "veth", "peer", "name", "up0", "netns", namespace),
      () => run("ip", "link", "delete", link),
    );
    made(
      () => run("nft", "add", "table", "ip", table),
      () => run("nft", "delete", "table", "ip", table),
    );
    made(
      () => run("mount", "-t", "tmpfs", "none", machine),
      () => run("umount", machine),
    );
    made(
      () => mkdirSync(join(group, MACHINE), { recursive: true }),
      () => {
        rmdirSync(join(group, MACHINE));
        rmdirSync(group);
      },
    );
    mkdirSync("/run/microterm-host/uids", { recursive: true });
    made(
      () => writeFileSync(CLAIM, `${instance} ${MACHINE} boot\n`, { flag: "wx" }),
      () => rmSync(CLAIM),
    );
    const sleeper = spawn("sleep", ["600"], { stdio: "ignore" });
    const ended = new Promise((resolve) => sleeper.once("exit", resolve));
    onTestFinished(async () => {
      sleeper.kill("SIGKILL");
      await ended;
      clean();
    });
    writeFileSync(join(group, MACHINE, "cgroup.procs"), `${sleeper.pid}`);

    const found = doctor(folder.path, "-o", "json");
    expect(found.status, found.stderr).toBe(1);
    const { leftovers, fix } = JSON.parse(found.stdout);
    expect(leftovers).toEqual(
      [
        ["process", `${sleeper.pid} sleep 600`, `machine ${MACHINE}`],
        ["cgroup", group, "daemon"],
        ["cgroup", join(group, MACHINE), `machine ${MACHINE}`],
        ["namespace", namespace, "slot s3"],
        ["link", link, "network"],
        ["table", `ip ${table}`, "network"],
        ["mount", machine, `machine ${MACHINE}`],
        ["file", CLAIM, `machine ${MACHINE}`],
        ["file", machine, `machine ${MACHINE}`],
        ["file", join(slots, "s3.json"), "slot s3"],
      ].map(([kind, name, of]) => ({ kind, name, of })),
    );
    expect(fix).toContain("./microterm up");
    // It has looked, and changed nothing.
    const shown = doctor(folder.path);
    expect(shown).toMatchObject({ status: 1, stdout: expect.stringContaining(`✗ namespace  ${namespace} (slot s3)`) });
    expect(shown.stdout).toContain("10 left. Fix: ./microterm up");
  },
);

it.runIf(process.getuid?.() === 0)("what the daemon has in use is not left, and a slot of no machine is", async () => {
  const { client, data, instance } = await startSlotDaemon(2);
  const leftovers = async (holder: typeof client | null) =>
    (await findLeftovers({ data, instance }, { daemon: holder, server: null })).found.map(
      ({ kind, name }) => `${kind} ${name.replace(data, "DATA").replace(instance, "NAME")}`,
    );
  expect(await leftovers(client)).toEqual([]);
  const { slot } = await client.attachNetwork(`machine${instance}`);
  expect(await leftovers(client)).toEqual([
    `namespace microterm-NAME-${slot}`,
    `file /run/microterm-host/slots/NAME/${slot}.json`,
  ]);
  await client.releaseNetwork(`machine${instance}`);
  expect(await leftovers(client)).toEqual([]);
  // Of whom nobody can be asked, nothing is known to be in use.
  expect(await leftovers(null)).toEqual(
    expect.arrayContaining(["namespace microterm-NAME-router", "file /run/microterm-host/slots/NAME/host.json"]),
  );
});
