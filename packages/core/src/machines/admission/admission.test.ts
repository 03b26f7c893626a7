import { EnvironmentId } from "@microterm/protocol";
import { expect, it } from "vitest";
import type { VmDriver } from "../../ports/vm-driver.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import { createAdmission, reserveEvictingPool } from "./admission.ts";

const ids = ["a", "b", "c"].map((letter) => EnvironmentId.parse(letter.repeat(12))) as [
  EnvironmentId,
  EnvironmentId,
  EnvironmentId,
];

/** Only what an admission asks of a driver: figures that a real host does not hold still for. */
function admissionOn(memoryMib: number, freeMib: number) {
  const driver = {
    capabilities: { overheadMib: () => 100 },
    resources: async () => ({
      memory: { totalMib: 8192, availableMib: memoryMib },
      disk: { totalMib: 8192, freeMib },
      cpus: 2,
    }),
  } as unknown as VmDriver;
  return { driver, ...createAdmission({ ...DEFAULT_LIMITS, memoryReserveMib: 100, diskReserveMib: 100 }) };
}

it("gives the last room to one of many that ask at once", async () => {
  const admission = admissionOn(1300, 5000);
  const asked = ids.map((id) => admission.reserve(admission.driver, id, { memoryMib: 500, cpus: 1, diskMib: 2048 }));
  const answers = await Promise.allSettled(asked);
  expect(answers.map((one) => one.status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
  expect(answers[2]).toMatchObject({ reason: { code: "HOST_OUT_OF_MEMORY", details: { neededMib: 600, freeMib: 0 } } });
});

it("has room again once a boot has ended, and holds nothing for a refusal", async () => {
  const admission = admissionOn(800, 5000);
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
  const admission = admissionOn(8000, 2148);
  await expect(
    admission.reserve(admission.driver, ids[0], { memoryMib: 128, cpus: 1, diskMib: 2049 }),
  ).rejects.toMatchObject({
    code: "HOST_OUT_OF_DISK",
  });
  await admission.reserve(admission.driver, ids[1], { memoryMib: 128, cpus: 1, diskMib: 2048 });
  await admission.reserve(admission.driver, ids[2], { memoryMib: 128, cpus: 1, diskMib: 2048 });
});

it("counts what an environment holds already once when it asks again", async () => {
  const admission = admissionOn(800, 5000);
  await admission.reserve(admission.driver, ids[0], { memoryMib: 500, cpus: 1, diskMib: 0 });
  await admission.reserve(admission.driver, ids[0], { memoryMib: 500, cpus: 1, diskMib: 0 });
  await expect(admission.reserve(admission.driver, ids[1], { memoryMib: 500, cpus: 1, diskMib: 0 })).rejects.toThrow();
});

it("evicts one machine of the pool after another, and refuses once it has none left", async () => {
  let availableMib = 400;
  const driver = {
    capabilities: { overheadMib: () => 0 },
    resources: async () => ({
      memory: { totalMib: 8192, availableMib },
      disk: { totalMib: 8192, freeMib: 8192 },
      cpus: 2,
    }),
  } as unknown as VmDriver;
  const admission = createAdmission({ ...DEFAULT_LIMITS, memoryReserveMib: 100 });
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
  const local = admissionOn(800, 5000);
  const remote = {
    capabilities: { overheadMib: () => 100 },
    resources: async () => ({ memory: null, disk: null, cpus: null }),
  } as unknown as VmDriver;
  await local.reserve(remote, ids[0], { memoryMib: 1_000_000, cpus: 64, diskMib: 1_000_000 });
  await local.reserve(local.driver, ids[1], { memoryMib: 600, cpus: 1, diskMib: 0 });
});
