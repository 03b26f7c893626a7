import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Machine, MachineSpec } from "@microterm/core";
import { runInGuest } from "@microterm/core/testing";
import { createQemuDriver } from "@microterm/drivers";
import { runCommand, spawnDetached } from "@microterm/host";
import { MachineId } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { detectAccelerator } from "../../packages/setup/src/daemon/accelerator.ts";
import { dataPaths } from "../../packages/setup/src/data/paths.ts";
import type { Check } from "../../packages/setup/src/doctor/check.ts";
import { createProgress } from "../../packages/setup/src/progress.ts";
import { qemuOptions } from "../../support/qemu-harness.ts";
import { startTestDaemon, type TestDaemon } from "../../support/test-daemon.ts";

const PACKAGES = join(import.meta.dirname, "../../packages");
const BOOT_MS = 120_000;
const MEMORY_MIB = 192;
const CPUS = 2;
/** More than a machine's group admits. */
const TOO_MANY = 200;

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon();
});
afterAll(() => daemon?.close());

describe("KVM", () => {
  it("is proven by a guest, of which nothing is left", async () => {
    const paths = dataPaths(daemon.data);
    const verdict = await detectAccelerator(paths, daemon.client, daemon.image.key, createProgress());
    expect(verdict).toEqual({
      accelerator: "kvm",
      reason: expect.stringMatching(/^a guest booted with KVM in [\d.]+ s$/),
    });
    expect((await daemon.client.list()).machines).toEqual([]);
  });

  it("is what `doctor` then reports, beside cgroup v2 and a jail without a way out", async () => {
    const doctor = [process.execPath, join(PACKAGES, "setup/src/main.ts"), "doctor", "-o", "json"];
    const { stdout, stderr } = await runCommand([...doctor, "--data", daemon.data]);
    const { checks } = JSON.parse(stdout || stderr) as { checks: readonly Check[] };
    expect(Object.fromEntries(checks.map(({ name, status, text }) => [name, `${status} ${text}`]))).toMatchObject({
      accelerator: expect.stringMatching(/^ok kvm: a guest booted with KVM/),
      cgroups: "ok v2 with memory and pids",
      "jail probe": expect.stringMatching(/^ok .* all refused$/),
    });
  });
});

describe("the limits of a machine, by cgroup v2", () => {
  let machine: Machine;

  const spec = (): MachineSpec => ({
    machineId: MachineId.parse(randomBytes(8).toString("hex")),
    memoryMib: MEMORY_MIB,
    cpus: CPUS,
    diskId: null,
    environmentId: null,
    network: null,
    limits: null,
  });
  const group = (id: string): string => join("/sys/fs/cgroup", `microterm-${daemon.instance}`, id);
  const file = (name: string): string => readFileSync(join(group(machine.id), name), "utf8").trim();
  /** A figure of one of its files of events (cgroup-v2.rst, `memory.events`, `pids.events`). */
  const events = (name: string, event: string): number =>
    Number(new RegExp(`^${event} (\\d+)$`, "m").exec(file(name))?.[1]);
  /** As what runs in place of its VMM may do, were it taken over. */
  const inGroup = (script: string) => runCommand(["sh", "-c", `echo 0 >${group(machine.id)}/cgroup.procs; ${script}`]);

  beforeAll(async () => {
    machine = await createQemuDriver(qemuOptions(daemon, "kvm")).boot(spec());
    await machine.agent({ timeoutMs: BOOT_MS });
  });
  afterAll(() => machine?.release());

  it("are there, and those of its size", async () => {
    expect((await daemon.client.hello()).cgroup).toBe("v2");
    const { fixedMib, cpuMib } = (await daemon.client.overhead()).kvm;
    expect(Number(file("memory.max"))).toBe((MEMORY_MIB + fixedMib + CPUS * cpuMib) * 2 ** 20);
    expect(file("cpu.weight")).toBe(String(100 * CPUS));
    expect(Number(file("pids.max"))).toBeLessThan(TOO_MANY);
    const pids = file("cgroup.procs").split("\n");
    expect(pids).toContain(String((await daemon.client.list()).machines[0]?.pid));
  });

  it("count what its guest uses", async () => {
    const agent = await machine.agent({ timeoutMs: BOOT_MS });
    const before = await daemon.client.usage(machine.id);
    await runInGuest(agent, ["sh", "-c", "i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done"]);
    const after = await daemon.client.usage(machine.id);
    expect(after.cpuUsec).toBeGreaterThan(before.cpuUsec);
    expect(after.memoryBytes).toBeGreaterThan(MEMORY_MIB * 2 ** 18);
    expect(after.pids).toBeGreaterThanOrEqual(CPUS);
  });

  it("hold for memory: what takes more is killed, and the guest goes on", async () => {
    // Of those in a group, the kernel picks by this and by size; the VMM itself may be the largest.
    const { signal } = await inGroup("echo 1000 >/proc/self/oom_score_adj; exec tail /dev/zero");
    expect(signal).toBe("SIGKILL");
    expect(events("memory.events", "oom_kill")).toBeGreaterThan(0);
    expect((await (await machine.agent({ timeoutMs: BOOT_MS })).metrics()).processes).toBeGreaterThan(0);
  });

  it("hold for processes, of which a kill leaves none", async () => {
    const most = Number(file("pids.max"));
    const loop = `i=0; while [ $i -lt ${TOO_MANY} ]; do sleep 600 >/dev/null 2>&1 & i=$((i + 1)); done`;
    expect((await inGroup(loop)).stderr).toMatch(/fork/i);
    expect(events("pids.events", "max")).toBeGreaterThan(0);
    expect(Number(file("pids.current"))).toBeLessThanOrEqual(most);

    const pids = file("cgroup.procs").split("\n").map(Number);
    expect(pids.length).toBeGreaterThan(10);
    machine.release();
    expect((await daemon.client.kill(machine.id)).processes).toBe(pids.length);
    expect(pids.filter((pid) => existsSync(`/proc/${pid}/exe`))).toEqual([]);
    expect(existsSync(group(machine.id))).toBe(false);
    expect(await daemon.client.scan([machine.id])).toEqual([]);
  });

  it("are found and removed where nothing else of a machine is left", async () => {
    const id = randomBytes(8).toString("hex");
    mkdirSync(group(id), { recursive: true });
    const child = spawnDetached(["sh", "-c", `echo 0 >${group(id)}/cgroup.procs; exec sleep 600`], {
      stdout: 1,
      stderr: 2,
    });
    await expect.poll(() => daemon.client.scan([id])).toContainEqual({ kind: "cgroup", name: expect.anything() });
    await expect.poll(() => readFileSync(join(group(id), "cgroup.procs"), "utf8")).toBe(`${child.pid}\n`);
    expect(await daemon.client.kill(id)).toMatchObject({ processes: 1, cgroups: 1 });
    expect(await child.ended).toBe(128 + 9);
    expect(await daemon.client.scan([id])).toEqual([]);
  });
});
