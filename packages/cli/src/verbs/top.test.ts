import type { Environment, Usage } from "@microterm/protocol";
import { expect, it } from "vitest";
import { usesOf } from "./top.ts";

const environment = {
  name: "one",
  id: "aaaa00000000",
  cpus: 2,
  memoryMib: 512,
  diskMib: 2048,
  limits: null,
} as Environment;
const usage = (userMs: number, host: Usage["host"]): Usage => ({
  guest: {
    uptimeMs: 1,
    cpu: { userMs, systemMs: 100, idleMs: 1 },
    memory: { totalKib: 500 * 1024, availableKib: 400 * 1024 },
    disk: { totalKib: 2000 * 1024, freeKib: 1990 * 1024 },
    processes: 7,
    load1: 0,
  },
  host,
  limits: { memoryMib: 512, cpus: 2, diskMib: 2048, machine: null },
});
const hosted = (cpuMs: number) => usage(0, { cpuMs, memoryBytes: 1, processes: 1 });
const at = (ms: number, used: Usage | null) => [{ environment, usage: used, at: ms }];
const cpuOf = (
  ...[before, now]: readonly (readonly { environment: Environment; usage: Usage | null; at: number }[])[]
) => usesOf(before ?? [], now ?? [])[0]?.cpuPercent;

it("tells the share of a processor by the host's count, or else by the guest's", () => {
  expect(cpuOf(at(0, hosted(100)), at(1000, hosted(350)))).toBe(25);
  expect(cpuOf(at(0, usage(100, null)), at(500, usage(600, null)))).toBe(100);
});

it("tells nothing that it does not know", () => {
  expect(cpuOf([], at(1, hosted(1)))).toBeNull();
  expect(cpuOf(at(0, hosted(500)), at(1000, hosted(3)))).toBeNull();
  expect(usesOf(at(0, hosted(1)), at(1, null))[0]).toMatchObject({
    cpuPercent: null,
    memoryMib: null,
    processes: null,
  });
  expect(usesOf([], at(1, hosted(1)))[0]).toMatchObject({
    ...{ memoryMib: 100, memoryLimitMib: 512, diskMib: 10, diskLimitMib: 2048 },
    ...{ cpuLimitPercent: null, processes: 7 },
  });
});
