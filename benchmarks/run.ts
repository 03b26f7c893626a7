/**
 * Measures the product and prints one table. Asserts no time.
 *
 *     node benchmarks/run.ts [all|instant|NAME…] [--driver qemu|firecracker] [--rounds N] [--soak]
 *
 * `all`, or no name, runs everything; README.md beside this lists the names, and which `instant` stands for. Those with guests need root.
 * `--driver` makes the guests of `instant`, with KVM where that is proven. `--soak` sends 5,000 Ctrl-C
 * instead of a few. A benchmark that fails prints its first error in the table's place, the others go on, and the exit code is 1.
 */
import { parseArgs } from "node:util";
import { AUDIT } from "./audit.ts";
import { DATABASE } from "./database.ts";
import { type MeasuredDriver, measuredDriver, NO_DRIVER } from "./driver.ts";
import { hostLoad, tableHead, tableRow } from "./figures.ts";
import { FLEET } from "./fleet.ts";
import type { Group, Report, Settings } from "./group.ts";
import { GUESTS } from "./guests.ts";
import { HUB } from "./hub.ts";
import { NEIGHBOURS } from "./neighbours.ts";
import { NETWORK } from "./network.ts";
import { PREVIEW } from "./preview.ts";
import { IDLE, STALL, THROUGH } from "./process.ts";
import { QUOTAS } from "./quotas.ts";
import { POOL, RESTORES } from "./restores.ts";
import { SIGN_IN } from "./sign-in.ts";
import { SLOTS } from "./slots.ts";
import { TTYD } from "./ttyd.ts";
import { VIEWERS } from "./viewers.ts";

const GROUPS: readonly Group[] = [
  GUESTS,
  NEIGHBOURS,
  POOL,
  RESTORES,
  THROUGH,
  IDLE,
  STALL,
  PREVIEW,
  SIGN_IN,
  SLOTS,
  NETWORK,
  HUB,
  DATABASE,
  AUDIT,
  VIEWERS,
  QUOTAS,
  FLEET,
  TTYD,
];
const NAMES = GROUPS.flatMap(({ names }) => names);
/** How soon a machine is there, and what it takes: what differs by driver. */
const INSTANT = ["boot", "pool", ...RESTORES.names];
/** Those that run on the driver that is asked for. */
const DRIVEN = [GUESTS, POOL, RESTORES].flatMap((group) => group.names);
const DRIVERS = ["qemu", "firecracker"] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    soak: { type: "boolean", default: false },
    driver: { type: "string", default: "qemu" },
  },
});
const rounds = Number(values.rounds);
const isAll = positionals.length === 0 || positionals.includes("all");
const names = isAll ? NAMES : positionals.flatMap((name) => (name === "instant" ? INSTANT : [name]));
const unknown = names.filter((name) => !NAMES.includes(name));
const wanted = DRIVERS.find((driver) => driver === values.driver);
if (unknown.length > 0 || wanted === undefined || !Number.isInteger(rounds) || rounds < 1) {
  if (unknown.length > 0) console.error(`no benchmark is called ${unknown.join(", ")}`);
  console.error(
    `usage: node benchmarks/run.ts [all|instant|${NAMES.join("|")}]… [--driver ${DRIVERS.join("|")}] [--rounds N] [--soak]`,
  );
  process.exit(2);
}

let failures = 0;
const report: Report = {
  figures(figures) {
    for (const figure of figures) console.log(tableRow(figure));
  },
  failed(name, error) {
    failures += 1;
    console.error(`${name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  },
};

// The daemon is started detached, and does not keep Node waiting for its end.
const waiting = setInterval(() => undefined, 60_000);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    void Promise.allSettled(GROUPS.map((group) => group.close())).finally(() => process.exit(130));
  });
}
const driver = names.some((name) => DRIVEN.includes(name)) ? await driverOrExit(wanted) : NO_DRIVER;
const settings: Settings = { rounds, driver, isSoak: values.soak };
if (driver.note !== "") console.log(`guests by ${driver.driver}, ${driver.accelerator}: ${driver.note}`);
console.log(`${hostLoad()} at the start\n\n${tableHead()}`);
for (const group of GROUPS) await group.run(names, settings, report);
console.log(`\n${hostLoad()} at the end`);
if (failures > 0) console.error(`${failures} failed`);
clearInterval(waiting);
process.exitCode = failures === 0 ? 0 : 1;

/** Before anything is measured: where the driver cannot run, nothing that follows would say more. */
async function driverOrExit(driver: MeasuredDriver["driver"]): Promise<MeasuredDriver> {
  try {
    return await measuredDriver(driver);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return process.exit(1);
  }
}
