import { silentLog } from "@microterm/core/testing";
import { EnvironmentId, OwnerId } from "@microterm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { makeTempFolder } from "../../../support/temp-folder.ts";
import { compose } from "./compose.ts";
import { readConfig } from "./config.ts";
import { NO_METERS } from "./telemetry/meters.ts";

const OWNER = OwnerId.parse("annannann");

it("a server has the drivers that its environments run on, beside the one it was started with", async () => {
  const { path, remove } = await makeTempFolder();
  onTestFinished(remove);
  const start = async (...driver: string[]) => {
    const adapters = await compose(readConfig(["--data", path, "--driver", ...driver], {}), path, {
      log: silentLog,
      meters: NO_METERS,
    });
    onTestFinished(() => adapters.storage.close());
    return adapters;
  };
  const qemu = ["qemu", "--image", "0123456789abcdef", "--accelerator", "tcg"] as const;
  const process_ = ["process", "--agent", process.execPath] as const;

  const first = await start(...qemu);
  expect(first.drivers.all.map(({ name }) => name)).toEqual(["qemu"]);
  await first.storage.owners.insert(OWNER, "2026-11-28T10:00:00.000Z");
  for (const [letter, driver] of [
    ["a", "qemu"],
    ["b", "firecracker"],
  ] as const) {
    const id = EnvironmentId.parse(letter.repeat(12));
    await first.storage.environments.insert({
      ...{ id, name: driver, owner: OWNER, state: "stopped", operation: null, step: null, interruptions: 0 },
      ...{ reason: null, driver, memoryMib: 512, cpus: 1, diskMib: 2048, size: null, machineId: null, diskId: id },
      ...{
        image: null,
        network: null,
        sharedNetwork: null,
        snapshotId: null,
        idleTimeoutSeconds: null,
        expiresAt: null,
      },
      limits: { cpuQuotaPercent: null, cpuWeight: null, diskMibPerSecond: null, diskOperationsPerSecond: null },
      createdAt: "2026-11-28T10:00:00.000Z",
    });
  }

  const { drivers } = await start(...process_);
  expect(drivers.default.name).toBe("process");
  expect(drivers.find("qemu")?.images?.current).toBe("0123456789abcdef");
  expect(drivers.absenceOf({ driver: "qemu" })).toBeNull();
  expect(drivers.find("firecracker")).toBeNull();
  expect(drivers.absenceOf({ driver: "firecracker" })).toMatch(/no server with it has run .*up --driver firecracker/);

  const back = await start(...qemu);
  expect(back.drivers.all.map(({ name }) => name)).toEqual(["qemu"]);
});
