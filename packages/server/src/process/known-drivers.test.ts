import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { makeTempFolder } from "../../../../support/temp-folder.ts";
import { openKnownDrivers } from "./known-drivers.ts";

async function file(): Promise<string> {
  const folder = await makeTempFolder();
  onTestFinished(() => folder.remove());
  return join(folder.path, "drivers.json");
}

const QEMU = {
  driver: "qemu",
  image: "0123456789abcdef",
  accelerator: "tcg",
  acceleratorReason: "no /dev/kvm",
} as const;

it("gives the next server what the last one with a driver was started with", async () => {
  const path = await file();
  const known = openKnownDrivers(path);
  known.remember({ driver: "process", agent: process.execPath });
  known.remember({ ...QEMU, accelerator: "kvm" });
  known.remember(QEMU);
  expect(openKnownDrivers(path).find("qemu")).toEqual(QEMU);
  expect(openKnownDrivers(path).find("process")).toEqual({ driver: "process", agent: process.execPath });
});

it("keeps no more than the driver's own configuration", async () => {
  const path = await file();
  const config = { ...QEMU, port: 7681, data: "/data" };
  openKnownDrivers(path).remember(config);
  expect(Object.keys(JSON.parse(readFileSync(path, "utf8")).drivers.qemu).sort()).toEqual(Object.keys(QEMU).sort());
});

it("says why a driver cannot be had", async () => {
  const path = await file();
  expect(openKnownDrivers(path).find("qemu")).toEqual({ absence: "no server with it has run on this data folder" });
  const stored = {
    process: { driver: "process", agent: "/no/such" },
    qemu: { driver: "process", agent: process.execPath },
  };
  writeFileSync(path, JSON.stringify({ version: 1, drivers: stored }));
  expect(openKnownDrivers(path).find("process")).toEqual({ absence: "its agent does not exist" });
  expect(openKnownDrivers(path).find("qemu")).toEqual({ absence: "its configuration is another's" });
  writeFileSync(path, "{");
  expect(openKnownDrivers(path).find("qemu")).toMatchObject({ absence: expect.any(String) });
});
