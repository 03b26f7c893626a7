import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createFirecrackerDriver } from "@microterm/drivers";
import { pause } from "@microterm/host";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SavedGuest, SavedGuests } from "../../support/saved-guests.ts";
import { startTestDaemon, type TestDaemon } from "../../support/test-daemon.ts";
import { hostOptions } from "../../support/vm-harness.ts";

let daemon: TestDaemon;
let guests: SavedGuests;
/** The guest that the rounds are done to, where they leave one. */
let guest: SavedGuest;
/** The pause that the last round has left. */
let saved = "";

beforeAll(async () => {
  daemon = await startTestDaemon();
  guests = new SavedGuests(daemon, createFirecrackerDriver(hostOptions(daemon, "kvm")));
});
afterAll(async () => {
  await guests?.snapshots.removeTemplate(guests.template);
  await daemon?.close();
});

/** The daemon dies at a point, once. */
async function atFault<T>(point: string, act: () => Promise<T>): Promise<T> {
  await daemon.restart(point);
  const before = (await daemon.logText()).length;
  const outcome = await act().catch((error: unknown) => error as T);
  await expect
    .poll(async () => (await daemon.logText()).slice(before), { timeout: 60_000 })
    .toContain(`fault ${point}`);
  await daemon.client.hello();
  if (outcome instanceof Error) throw outcome;
  return outcome;
}

const nameOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
};

/** Processes of all machines: in groups of which each bears the id of one. */
function processes(): { readonly pid: number; readonly name: string }[] {
  const all = join("/sys/fs/cgroup", `microterm-${daemon.instance}`);
  const found: { pid: number; name: string }[] = [];
  try {
    for (const entry of readdirSync(all, { withFileTypes: true })) {
      if (!entry.isDirectory() || entry.name.length !== 16) continue;
      const pids = readFileSync(join(all, entry.name, "cgroup.procs"), "utf8")
        .trim()
        .split("\n")
        .map(Number);
      for (const pid of pids) if (pid > 0) found.push({ pid, name: nameOf(pid) });
    }
  } catch {
    // One that has just gone.
  }
  return found;
}

/** As the kernel names them (proc_pid_comm(5)): ours, and the official ones. */
const SHIM = ["microterm-host"];
const VMM = ["firecracker", "jailer"];

/** Kills the first process of such a name as soon as there is one. */
async function strike(names: readonly string[]): Promise<string> {
  for (const until = Date.now() + 60_000; Date.now() < until; await pause(1)) {
    const victim = processes().find(({ name }) => names.includes(name));
    if (victim === undefined) continue;
    process.kill(victim.pid, "SIGKILL");
    return victim.name;
  }
  throw new Error(`no ${names.join(" or ")} was seen`);
}

/** A restore that is not to succeed, its disk removed again. */
async function restoreFailing(act: (restoring: () => Promise<unknown>) => Promise<unknown>): Promise<void> {
  const spec = await guests.specWithDisk();
  const { template } = guests;
  const failed = await act(() => guests.snapshots.restore({ ...spec, template })).then(
    () => null,
    (error: unknown) => error,
  );
  expect(failed).toMatchObject({ code: expect.stringMatching(/^(HOST_DAEMON_UNAVAILABLE|MACHINE_BOOT_FAILED)$/) });
  await guests.driver.removeDisk(spec.diskId);
}

/** A guest whose processes die ends as died, and is removed like any other. */
async function expectDied(): Promise<void> {
  expect(await guest.machine.ended).toMatchObject({ kind: "died" });
  await guests.end(guest);
}

const restoreAt = (point: string) => () => restoreFailing((restoring) => atFault(point, restoring));

const killAt = (point: string) => async () => {
  guest = await guests.restore();
  await atFault(point, () => guests.end(guest));
};

interface Round {
  readonly name: string;
  readonly run: () => Promise<void>;
  /** Not when it leaves a guest, or a pause of it, to the next. */
  readonly isOver?: false;
}

const ROUNDS: readonly Round[] = [
  {
    name: "the daemon, with a template that is written and not yet there",
    async run() {
      await expect(atFault("template.saved", () => guests.saveTemplate())).rejects.toMatchObject({
        code: "HOST_DAEMON_UNAVAILABLE",
      });
      expect(await guests.snapshots.listTemplates()).toEqual([]);
    },
  },
  {
    name: "the daemon, right after a template was made",
    async run() {
      await atFault("template.renamed", () => guests.saveTemplate()).catch(() => undefined);
      expect(await guests.snapshots.listTemplates()).toEqual([guests.template]);
    },
  },
  { name: "the daemon, with a restore noted", run: restoreAt("launch.intent") },
  { name: "the daemon, with a restore's cgroup made", run: restoreAt("launch.cgroup") },
  { name: "the daemon, as the jailer starts", run: restoreAt("launch.spawned") },
  { name: "the daemon, with a template loaded", run: restoreAt("restore.loaded") },
  { name: "the daemon, with a restored guest that runs", run: restoreAt("launch.ready") },
  {
    name: "Firecracker or its jailer, as it starts",
    run: () => restoreFailing(async (restoring) => void (await Promise.all([restoring(), strike(VMM)]))),
  },
  {
    name: "the shim, as it starts",
    run: () => restoreFailing(async (restoring) => void (await Promise.all([restoring(), strike(SHIM)]))),
  },
  {
    name: "the daemon, beside a guest",
    isOver: false,
    async run() {
      guest = await guests.restore();
      await daemon.killDaemon();
      guest = await guests.expectOn(guest);
    },
  },
  {
    name: "the supervisor, beside a guest; and the daemon, with that stopped to be saved",
    isOver: false,
    async run() {
      const pausing = () => guests.snapshots.pause(guest.machine.id, guests.newId());
      await expect(atFault("save.stopped", pausing)).rejects.toMatchObject({ code: "HOST_DAEMON_UNAVAILABLE" });
      expect(await guests.snapshots.listSnapshots()).toEqual([]);
      guest = await guests.expectOn(guest);
    },
  },
  {
    name: "the daemon, when Firecracker has written all and was ended",
    isOver: false,
    run: () => pauseAt("save.ended"),
  },
  {
    name: "the daemon, with a pause that is written and not yet there",
    isOver: false,
    run: () => pauseAt("save.written"),
  },
  {
    name: "the daemon, with a pause loaded",
    isOver: false,
    async run() {
      saved = guests.newId();
      await guests.snapshots.pause(guest.machine.id, saved);
      await guest.machine.stop();
      await expect(atFault("restore.loaded", () => guests.resume(guest, saved))).rejects.toThrow();
      expect(await daemon.client.listSaves()).toMatchObject([{ saveId: saved, isWhole: true }]);
    },
  },
  {
    name: "the daemon, with a pause used up",
    async run() {
      await expect(atFault("restore.marked", () => guests.resume(guest, saved))).rejects.toThrow();
      await expect(guests.resume(guest, saved)).rejects.toMatchObject({ code: "SNAPSHOT_CORRUPT" });
      await guests.snapshots.removeSnapshot(saved);
      await guests.driver.removeDisk(guest.spec.diskId);
    },
  },
  { name: "Firecracker, while it is saved", run: () => pauseStruck(VMM) },
  { name: "the shim, while its Firecracker is saved", run: () => pauseStruck(SHIM) },
  {
    name: "Firecracker, beside its guest",
    async run() {
      guest = await guests.restore();
      await strike(VMM);
      await expectDied();
    },
  },
  {
    name: "the shim, beside its guest",
    async run() {
      guest = await guests.restore();
      await strike(SHIM);
      await expectDied();
    },
  },
  { name: "the daemon, with a machine's processes signalled", run: killAt("kill.signalled") },
  { name: "the daemon, with a machine's cgroup removed", run: killAt("kill.cgroup") },
  { name: "the daemon, with a machine's files removed", run: killAt("kill.files") },
];

/** The daemon that comes after makes the pause whole, and the guest goes on from it. */
async function pauseAt(point: string): Promise<void> {
  const id = guests.newId();
  await atFault(point, () => guests.snapshots.pause(guest.machine.id, id));
  await guest.machine.stop();
  guest = await guests.resume(guest, id);
  await guests.snapshots.removeSnapshot(id);
}

async function pauseStruck(names: readonly string[]): Promise<void> {
  guest = await guests.restore();
  const pausing = guests.snapshots.pause(guest.machine.id, guests.newId());
  const outcome = Promise.allSettled([pausing]);
  await expect.poll(() => readdirSync(join(daemon.machinesDir, guest.machine.id))).toContain("saving");
  await strike(names);
  expect(await outcome).toMatchObject([{ status: "rejected", reason: { code: "SNAPSHOT_FAILED" } }]);
  await expectDied();
}

describe("Firecracker: all is as the contract says, and nothing is left, after -9 to", () => {
  // Each goes on from what the one before has left: the lab has no time for more boots.
  it.each(ROUNDS)("$name", { retry: 0 }, async ({ run, isOver = true }) => {
    await run();
    if (isOver) await guests.expectNothingLeft();
  });
});
