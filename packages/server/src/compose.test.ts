import { accountRow, silentLog } from "@microterm/core/testing";
import { EnvironmentId, OwnerId } from "@microterm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { makeTempFolder } from "../../../support/temp-folder.ts";
import { type Adapters, compose } from "./compose.ts";
import { readConfig } from "./config.ts";
import { NO_METERS } from "./telemetry/meters.ts";

const OWNER = OwnerId.parse("annannann");

const QEMU = ["qemu", "--image", "0123456789abcdef", "--accelerator", "tcg"] as const;
const FIRECRACKER = ["firecracker", "--image", "fedcba9876543210"] as const;
const PROCESS = ["process", "--agent", process.execPath] as const;

async function makeDataFolder() {
  const { path, remove } = await makeTempFolder();
  onTestFinished(remove);
  return async (...driver: readonly string[]) => {
    const adapters = await compose(readConfig(["--data", path, "--driver", ...driver], {}), path, {
      ...{ log: silentLog, meters: NO_METERS },
      onDatabaseReturn: () => {},
      onDeclaredDead: () => {},
    });
    onTestFinished(() => adapters.storage.close());
    return adapters;
  };
}

async function insertRow({ storage }: Adapters, letter: string, driver: string): Promise<void> {
  const id = EnvironmentId.parse(letter.repeat(12));
  await storage.accounts.insert(accountRow(OWNER, "2026-11-28T10:00:00.000Z")).catch(() => {});
  await storage.environments.insert({
    ...{ id, name: driver, owner: OWNER, state: "stopped", operation: null, step: null, interruptions: 0 },
    ...{ reason: null, driver, memoryMib: 512, cpus: 1, diskMib: 2048, size: null, machineId: null, diskId: id },
    ...{ image: null, network: null, sharedNetwork: null, snapshotId: null, idleTimeoutSeconds: null, expiresAt: null },
    runningSince: null,
    limits: { cpuQuotaPercent: null, cpuWeight: null, diskMibPerSecond: null, diskOperationsPerSecond: null },
    server: null,
    epoch: 0,
    createdAt: "2026-11-28T10:00:00.000Z",
  });
}

const namesOf = ({ drivers }: Adapters) => drivers.all.map(({ name }) => name);

it("a server has the drivers that its environments run on, beside the one it was started with", async () => {
  const start = await makeDataFolder();
  const first = await start(...QEMU);
  expect(namesOf(first)).toEqual(["qemu"]);
  await insertRow(first, "a", "qemu");
  await insertRow(first, "b", "kata");

  const { drivers } = await start(...PROCESS);
  expect(drivers.default.name).toBe("process");
  expect(drivers.find("qemu")?.images?.current).toBe("0123456789abcdef");
  expect(drivers.absenceOf({ driver: "qemu" })).toBeNull();
  expect(drivers.find("kata")).toBeNull();
  expect(drivers.absenceOf({ driver: "kata" })).toMatch(/no server with it has run .*up --driver kata/);

  const back = await start(...QEMU);
  expect(namesOf(back)).toEqual(["qemu"]);
});

it("a server has both drivers of its daemon at hand once either has run or is needed", async () => {
  const start = await makeDataFolder();
  const first = await start(...QEMU);
  await insertRow(first, "a", "firecracker");
  // No server with it has run: it is made with what this one knows of the daemon.
  const second = await start(...QEMU);
  expect(namesOf(second)).toEqual(["qemu", "firecracker"]);
  expect(second.drivers.find("firecracker")?.capabilities).toMatchObject({ accelerator: "kvm", isolation: "vm" });

  const third = await start(...FIRECRACKER);
  expect(namesOf(third)).toEqual(["firecracker", "qemu"]);
  // Not as the last server with it was told, which had an older image and no KVM.
  const qemu = third.drivers.find("qemu");
  expect(qemu?.images?.current).toBe("fedcba9876543210");
  expect(qemu?.capabilities.accelerator).toBe("kvm");
  expect(namesOf(await start(...PROCESS))).toEqual(["process", "firecracker"]);
});
