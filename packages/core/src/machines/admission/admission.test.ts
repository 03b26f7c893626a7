import { EnvironmentId, type Overcommit } from "@microterm/protocol";
import { expect, it } from "vitest";
import type { FoundDisk, VmDriver } from "../../ports/vm-driver.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import { createAdmission, type Demand, type PromisedMachine, reserveEvictingPool } from "./admission.ts";

const ids = ["a", "b", "c"].map((letter) => EnvironmentId.parse(letter.repeat(12))) as [
  EnvironmentId,
  EnvironmentId,
  EnvironmentId,
];

interface Host {
  readonly memoryMib: number;
  readonly freeMib: number;
  readonly disks?: readonly FoundDisk[];
  readonly running?: readonly Omit<PromisedMachine, "driver">[];
  readonly overcommit?: Overcommit;
}

const PLENTY: Overcommit = { cpu: 100, memory: 100, disk: 1 };

/** Only what an admission asks of a driver: figures that a real host does not hold still for. */
function admissionOn({ memoryMib, freeMib, disks = [], running = [], overcommit = PLENTY }: Host) {
  const driver = {
    host: "here",
    capabilities: { overheadMib: () => 100 },
    listDisks: async () => disks,
    resources: async () => ({
      memory: { totalMib: 8192, availableMib: memoryMib },
      disk: { totalMib: 8192, freeMib },
      cpus: 2,
    }),
  } as unknown as VmDriver;
  const limits = { ...DEFAULT_LIMITS, memoryReserveMib: 100, diskReserveMib: 100 };
  const promised = async () => running.map((one) => ({ ...one, driver }));
  return { driver, ...createAdmission({ limits, overcommit, promised }) };
}

it("gives the last room to one of many that ask at once", async () => {
  const admission = admissionOn({ memoryMib: 1300, freeMib: 9000 });
  const asked = ids.map((id) => admission.reserve(admission.driver, id, { memoryMib: 500, cpus: 1, diskMib: 2048 }));
  const answers = await Promise.allSettled(asked);
  expect(answers.map((one) => one.status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
  expect(answers[2]).toMatchObject({ reason: { code: "HOST_OUT_OF_MEMORY", details: { neededMib: 600, freeMib: 0 } } });
});

it("has room again once a boot has ended, and holds nothing for a refusal", async () => {
  const admission = admissionOn({ memoryMib: 800, freeMib: 5000 });
  await expect(admission.reserve(admission.driver, ids[0], { memoryMib: 601, cpus: 1, diskMib: 0 })).rejects.toThrow(
    /701 MiB .* 700 MiB/,
  );
  await admission.reserve(admission.driver, ids[1], { memoryMib: 600, cpus: 1, diskMib: 0 });
  await expect(admission.reserve(admission.driver, ids[2], { memoryMib: 1, cpus: 1, diskMib: 0 })).rejects.toThrow();
  admission.release(ids[1]);
  admission.release(ids[1]);
  await admission.reserve(admission.driver, ids[2], { memoryMib: 600, cpus: 1, diskMib: 0 });
});

it("refuses a disk that alone is more than what is free", async () => {
  const admission = admissionOn({ memoryMib: 8000, freeMib: 2148, overcommit: { ...PLENTY, disk: 2 } });
  await expect(
    admission.reserve(admission.driver, ids[0], { memoryMib: 128, cpus: 1, diskMib: 2049 }),
  ).rejects.toMatchObject({
    code: "HOST_OUT_OF_DISK",
  });
  await admission.reserve(admission.driver, ids[1], { memoryMib: 128, cpus: 1, diskMib: 2048 });
  await admission.reserve(admission.driver, ids[2], { memoryMib: 128, cpus: 1, diskMib: 2048 });
});

it("counts what an environment holds already once when it asks again", async () => {
  const admission = admissionOn({ memoryMib: 800, freeMib: 5000 });
  await admission.reserve(admission.driver, ids[0], { memoryMib: 500, cpus: 1, diskMib: 0 });
  await admission.reserve(admission.driver, ids[0], { memoryMib: 500, cpus: 1, diskMib: 0 });
  await expect(admission.reserve(admission.driver, ids[1], { memoryMib: 500, cpus: 1, diskMib: 0 })).rejects.toThrow();
});

it("evicts one machine of the pool after another, and refuses once it has none left", async () => {
  let availableMib = 400;
  const driver = {
    capabilities: { overheadMib: () => 0 },
    listDisks: async () => [],
    resources: async () => ({
      memory: { totalMib: 8192, availableMib },
      disk: { totalMib: 8192, freeMib: 8192 },
      cpus: 2,
    }),
  } as unknown as VmDriver;
  const limits = { ...DEFAULT_LIMITS, memoryReserveMib: 100 };
  const admission = createAdmission({ limits, overcommit: PLENTY, promised: async () => [] });
  let waiting = 3;
  const pool = {
    evict: async () => {
      if (waiting === 0) return false;
      waiting--;
      availableMib += 100;
      return true;
    },
  };
  await reserveEvictingPool({ admission, pool }, driver, ids[0], { memoryMib: 500, cpus: 1, diskMib: 0 });
  expect(waiting).toBe(1);
  const more = reserveEvictingPool({ admission, pool }, driver, ids[1], { memoryMib: 500, cpus: 1, diskMib: 0 });
  await expect(more).rejects.toMatchObject({ code: "HOST_OUT_OF_MEMORY" });
  expect(waiting).toBe(0);
});

it("refuses and holds nothing where a driver's machines are placed elsewhere", async () => {
  const local = admissionOn({ memoryMib: 800, freeMib: 5000 });
  const remote = {
    host: "elsewhere",
    capabilities: { overheadMib: () => 100 },
    resources: async () => ({ memory: null, disk: null, cpus: null }),
  } as unknown as VmDriver;
  await local.reserve(remote, ids[0], { memoryMib: 1_000_000, cpus: 64, diskMib: 1_000_000 });
  await local.reserve(local.driver, ids[1], { memoryMib: 600, cpus: 1, diskMib: 0 });
});

const machine = <Over extends Partial<PromisedMachine>>(holder: string, over?: Over) =>
  ({ holder, memoryMib: 400, cpus: 1, ...over }) as Omit<PromisedMachine, "driver"> & Over;

it("counts what drivers of one host hold and have promised together, each with what its own VMMs take", async () => {
  const running: PromisedMachine[] = [];
  const { driver } = admissionOn({ memoryMib: 8000, freeMib: 9000 });
  const light = { ...driver, capabilities: { overheadMib: () => 5 } } as unknown as VmDriver;
  const far = { ...driver, host: "elsewhere" };
  const admission = createAdmission({
    limits: { ...DEFAULT_LIMITS, memoryReserveMib: 0 },
    overcommit: { cpu: 2, memory: 0.25, disk: 1 },
    promised: async () => running,
  });
  running.push(machine("x", { driver: light }), machine("y", { driver }));
  const refused = admission.reserve(driver, ids[0], { memoryMib: 1044, cpus: 1, diskMib: 0 });
  await expect(refused).rejects.toMatchObject({ details: { neededMib: 1144, promisedMib: 905 } });
  await admission.reserve(light, ids[0], { memoryMib: 1, cpus: 2, diskMib: 0 });
  await expect(admission.reserve(driver, ids[1], { memoryMib: 1, cpus: 1, diskMib: 0 })).rejects.toThrow(
    "4 are promised",
  );
  await admission.reserve(far, ids[2], { memoryMib: 1, cpus: 2, diskMib: 0 });
});

it("counts what machines were promised, used or not, and refuses with the figures", async () => {
  const overcommit = { cpu: 2, memory: 0.25, disk: 1 };
  const running = [machine("x", { cpus: 2 }), machine("y")];
  const admission = admissionOn({ memoryMib: 8000, freeMib: 9000, running, overcommit });
  const { driver } = admission;
  await expect(admission.reserve(driver, ids[0], { memoryMib: 1, cpus: 2, diskMib: 0 })).rejects.toMatchObject({
    code: "HOST_OUT_OF_CPUS",
    message: "2 CPUs are needed and 3 are promised to machines that run, of 4 that may be: 2 times the host's 2",
    details: { neededCpus: 2, freeCpus: 1, promisedCpus: 3 },
  });
  // 2048 may be promised, and both have 500 with what their VMMs take.
  await expect(admission.reserve(driver, ids[0], { memoryMib: 949, cpus: 1, diskMib: 0 })).rejects.toMatchObject({
    code: "HOST_OUT_OF_MEMORY",
    message: expect.stringMatching(/^1049 MiB .* 1000 MiB are promised .* 2048 MiB that may be: 0.25 times/),
    details: { neededMib: 1049, freeMib: 1048, promisedMib: 1000 },
  });
  await admission.reserve(driver, ids[0], { memoryMib: 948, cpus: 1, diskMib: 0 });
  // The one that is being started counts as well.
  await expect(admission.reserve(driver, ids[1], { memoryMib: 1, cpus: 1, diskMib: 0 })).rejects.toThrow(
    /4 are promised|2048/,
  );
});

it("counts a machine once that is being started and in a row already", async () => {
  const running: ReturnType<typeof machine>[] = [];
  const overcommit = { ...PLENTY, cpu: 1 };
  const admission = admissionOn({ memoryMib: 8000, freeMib: 9000, running, overcommit });
  await admission.reserve(admission.driver, ids[0], { memoryMib: 1, cpus: 1, diskMib: 0 });
  running.push(machine(ids[0]));
  await admission.reserve(admission.driver, ids[1], { memoryMib: 1, cpus: 1, diskMib: 0 });
  await expect(admission.reserve(admission.driver, ids[2], { memoryMib: 1, cpus: 1, diskMib: 0 })).rejects.toThrow(
    "1 CPU is needed and 2 are promised",
  );
});

it("leaves to disks what they were promised and have not written, and to those that are being made", async () => {
  const disks: FoundDisk[] = [{ diskId: "old", unwrittenMib: 2000 }];
  const admission = admissionOn({ memoryMib: 8000, freeMib: 5100, disks });
  const { driver } = admission;
  const wants = (id: string, diskMib: number) => admission.reserve(driver, id, { memoryMib: 1, cpus: 1, diskMib });
  await expect(wants(ids[0], 3001)).rejects.toMatchObject({
    code: "HOST_OUT_OF_DISK",
    message: expect.stringMatching(/^3001 MiB .* 5000 MiB to give, and 2000 MiB are promised/),
    details: { neededMib: 3001, freeMib: 5000, promisedMib: 2000 },
  });
  await wants(ids[0], 2000);
  await expect(wants(ids[1], 1001)).rejects.toMatchObject({ details: { promisedMib: 4000 } });
  // Once it is made it shows among the others.
  disks.push({ diskId: ids[0], unwrittenMib: 1900 });
  await wants(ids[1], 1100);
  // Saved memory takes of the same.
  await expect(admission.reserveDisk(driver, "snapshot", 1)).rejects.toMatchObject({ code: "HOST_OUT_OF_DISK" });
  admission.release(ids[1]);
  await admission.reserveDisk(driver, "snapshot", 1100);
});

it("promises a disk more than there is only where it was told to, and never one that cannot fit", async () => {
  const disks = [{ diskId: "old", unwrittenMib: 9000 }];
  const admission = admissionOn({ memoryMib: 8000, freeMib: 5100, disks, overcommit: { ...PLENTY, disk: 2 } });
  await admission.reserveDisk(admission.driver, "one", 1000);
  await expect(admission.reserveDisk(admission.driver, "two", 1)).rejects.toThrow(/of 2 times that 10000 MiB/);
  const empty = admissionOn({ memoryMib: 8000, freeMib: 5100, overcommit: { ...PLENTY, disk: 9 } });
  await expect(empty.reserveDisk(empty.driver, "three", 5001)).rejects.toMatchObject({ code: "HOST_OUT_OF_DISK" });
});

it("keeps the pool where what is asked for would not fit without it either", async () => {
  const admission = admissionOn({ memoryMib: 8000, freeMib: 5100, overcommit: { cpu: 2, memory: 0.25, disk: 9 } });
  const evicted: string[] = [];
  const pool = {
    evict: async (reason: string) => {
      evicted.push(reason);
      return evicted.length < 2;
    },
  };
  const asks = (demand: Partial<Demand>) =>
    reserveEvictingPool({ admission, pool }, admission.driver, ids[0], {
      memoryMib: 1,
      cpus: 1,
      diskMib: 0,
      ...demand,
    });
  await expect(asks({ cpus: 5 })).rejects.toMatchObject({ code: "HOST_OUT_OF_CPUS" });
  await expect(asks({ diskMib: 5001 })).rejects.toMatchObject({ code: "HOST_OUT_OF_DISK" });
  await expect(asks({ memoryMib: 2000 })).rejects.toMatchObject({ code: "HOST_OUT_OF_MEMORY" });
  expect(evicted).toEqual([]);
  await admission.reserve(admission.driver, ids[1], { memoryMib: 1, cpus: 4, diskMib: 5000 });
  await expect(asks({ cpus: 1 })).rejects.toMatchObject({ code: "HOST_OUT_OF_CPUS" });
  expect(evicted).toEqual(["the host is low on CPUs", "the host is low on CPUs"]);
});
