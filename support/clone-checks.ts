import { randomBytes } from "node:crypto";
import type { GuestAgent, Machine, MachineSpec, VmDriver, VmSnapshots } from "@microterm/core";
import { runInGuest } from "@microterm/core/testing";
import { pause } from "@microterm/host";
import { MachineId } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestDaemon, type TestDaemon } from "./test-daemon.ts";
import { type HostOptions, hostOptions } from "./vm-harness.ts";

const CLONES = 8;
const DISK_MIB = 256;
const ANSWER_MS = 120_000;
/** How far a clock may be off, s. */
const CLOCK_SECONDS = 5;

/**
 * What a guest would share with its twins, as one of its programs sees it. /dev/urandom is read first, by the first program of
 * all. AT_RANDOM, 16 bytes that the kernel gives each program, is what glibc makes the stack canary and the pointer
 * guard of (getauxval(3)); the addresses are those of a library and of the stack.
 */
const LOOK = `
head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \\n'; echo
cat /proc/sys/kernel/random/boot_id /etc/machine-id
date +%s.%N
exec python3 -S -c '
import struct
auxv = open("/proc/self/auxv", "rb").read()
at = dict(struct.unpack_from("QQ", auxv, i) for i in range(0, len(auxv), 16))
memory = open("/proc/self/mem", "rb", 0)
memory.seek(at[25])
print(memory.read(16).hex())
maps = [line.split() for line in open("/proc/self/maps")]
first = lambda name: next(m[0].split("-")[0] for m in maps if name in m[-1])
print(first("libc.so"))
print(first("[stack]"))
'`;
const NAMES = ["urandom", "boot_id", "machine-id", "clock", "AT_RANDOM", "libc", "stack"] as const;
type Look = Record<(typeof NAMES)[number], string> & { readonly asked: number; readonly answered: number };

async function look(agent: GuestAgent): Promise<Look> {
  const asked = Date.now() / 1000;
  const { stdout, stderr, exit } = await runInGuest(agent, ["sh", "-c", LOOK]);
  expect({ exit, stderr }).toEqual({ exit: { code: 0, signal: null }, stderr: "" });
  const lines = stdout.trim().split("\n");
  expect(lines).toHaveLength(NAMES.length);
  const seen = Object.fromEntries(NAMES.map((name, index) => [name, lines[index]])) as Record<
    (typeof NAMES)[number],
    string
  >;
  return { ...seen, asked, answered: Date.now() / 1000 };
}

/** How many different values there are. */
const different = (looks: readonly Look[], name: (typeof NAMES)[number]): number =>
  new Set(looks.map((seen) => seen[name])).size;

interface CloneOptions {
  readonly create: (options: HostOptions) => VmDriver;
  readonly accelerator: HostOptions["accelerator"];
  readonly memoryMib: number;
  /**
   * Whether its VMM tells a restored guest of its restore: by a virtual machine generation ID, for which kernels that know it
   * (Debian 13's) reseed their generator, and by a clock that goes on with the host's.
   */
  readonly tellsOfRestore: boolean;
  /** How many are looked at that have not become themselves. */
  readonly rawClones: number;
}

/** What the guests of one template share, and what they must not. */
export function cloneChecks(
  name: string,
  { create, accelerator, memoryMib, tellsOfRestore, rawClones }: CloneOptions,
): void {
  describe(`${name}: guests that were restored from one template`, { timeout: 900_000 }, () => {
    let daemon: TestDaemon;
    let driver: VmDriver;
    let snapshots: VmSnapshots;

    beforeAll(async () => {
      daemon = await startTestDaemon();
      driver = create(hostOptions(daemon, accelerator));
      snapshots = driver.snapshots as VmSnapshots;
    }, 900_000);
    afterAll(() => daemon?.close(), 120_000);

    const newId = () => randomBytes(8).toString("hex");
    const newIdentity = () => ({
      hostname: "microterm",
      machineId: randomBytes(16).toString("hex"),
      timeUnixMs: Date.now(),
      seed: randomBytes(64),
      environment: "",
      interface: null,
    });
    const specOf = (diskId: string): MachineSpec => ({
      machineId: MachineId.parse(newId()),
      memoryMib,
      cpus: 1,
      diskId,
      environmentId: null,
      network: null,
      limits: null,
    });

    /** Boots a guest, has it made ready, and saves it under the key. */
    const saveTemplate = async (key: string, makeReady: (agent: GuestAgent) => Promise<unknown>): Promise<void> => {
      const diskId = newId();
      await driver.createDisk(diskId, { sizeMib: DISK_MIB });
      const machine = await driver.boot({ ...specOf(diskId), isTemplateSource: true });
      try {
        const agent = await machine.agent({ timeoutMs: ANSWER_MS });
        await agent.identify(newIdentity());
        // What the looks will need is read and linked once, and so costs the clones less of their time.
        await look(agent);
        await makeReady(agent);
        await snapshots.saveTemplate(machine.id, key);
      } finally {
        await machine.stop();
        await driver.removeDisk(diskId);
      }
    };

    const withClone = async <T>(key: string, use: (machine: Machine) => Promise<T>): Promise<T> => {
      const diskId = newId();
      await snapshots.createDiskFrom(key, diskId);
      try {
        const machine = await snapshots.restore({ ...specOf(diskId), template: key });
        try {
          return await use(machine);
        } finally {
          await machine.stop();
        }
      } finally {
        await driver.removeDisk(diskId);
      }
    };

    const keyOf = async () => (await snapshots.findTemplate({ memoryMib, cpus: 1, diskMib: DISK_MIB })).key;

    it("share nothing that a program can see, once each has become itself", async () => {
      const key = await keyOf();
      await saveTemplate(key, (agent) => agent.seal());
      const looks = await Promise.all(
        Array.from({ length: CLONES }, () =>
          withClone(key, async (machine) => {
            const agent = await machine.agent({ timeoutMs: ANSWER_MS });
            const told = Date.now() / 1000;
            await agent.identify(newIdentity());
            // A clock cannot be more right than the call that sets it is fast.
            const way = Date.now() / 1000 - told;
            return { ...(await look(agent)), way };
          }),
        ),
      );
      for (const name of NAMES) if (name !== "clock") expect([name, different(looks, name)]).toEqual([name, CLONES]);
      for (const { clock, asked, answered, way } of looks) {
        expect(Number(clock)).toBeGreaterThan(asked - way - CLOCK_SECONDS);
        expect(Number(clock)).toBeLessThan(answered + CLOCK_SECONDS);
      }
      await snapshots.removeTemplate(key);
    });

    /**
     * The same looks at guests whose template was not sealed, so that they serve without having become themselves: if these did not
     * share their randomness, the test above would prove nothing.
     */
    it("share their ids, and with most VMMs their randomness and a late clock, when nothing was done about it", async () => {
      const key = await keyOf();
      // A generator that has just been reseeded is not seeded again before the clones are looked at (5 s of their time).
      const reseed = `python3 -S -c 'import fcntl; fcntl.ioctl(open("/dev/urandom", "wb"), 0x5207)'`;
      await saveTemplate(key, (agent) => runInGuest(agent, ["sudo", "sh", "-c", reseed]));
      await pause((CLOCK_SECONDS + 1) * 1000);
      const looks: Look[] = [];
      for (let clone = 0; clone < rawClones; clone += 1) {
        looks.push(await withClone(key, async (machine) => look(await machine.agent({ timeoutMs: ANSWER_MS }))));
      }
      for (const name of ["urandom", "AT_RANDOM"] as const) {
        if (tellsOfRestore) expect(different(looks, name)).toBe(rawClones);
        else expect(different(looks, name)).toBeLessThan(rawClones);
      }
      expect(different(looks, "boot_id")).toBe(1);
      expect(different(looks, "machine-id")).toBe(1);
      if (!tellsOfRestore) {
        for (const { clock, answered } of looks) expect(Number(clock)).toBeLessThan(answered - CLOCK_SECONDS);
      }
      await snapshots.removeTemplate(key);
    });
  });
}
