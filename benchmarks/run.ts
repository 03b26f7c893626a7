/**
 * Measures the product with real guests and prints a table. Asserts no time. As root:
 *
 *     node benchmarks/run.ts [boot|echo|flood|interrupt|footprint|stall]… [--rounds N] [--soak]
 *
 * All of them when none is named. `--soak` sends 5,000 Ctrl-C instead of a few.
 */
import { parseArgs } from "node:util";
import { measureBoot } from "./boot.ts";
import { type Figure, hostLoad, tableHead, tableRow } from "./figures.ts";
import { measureFootprint, measureStall } from "./footprint.ts";
import { type GuestWorld, startGuestWorld } from "./guest-world.ts";
import { measureEcho, measureFlood, measureInterrupt, soakInterrupts } from "./terminals.ts";

const SOAK = 5000;

interface Settings {
  readonly rounds: number;
  readonly isSoak: boolean;
}

type Measure = (world: GuestWorld, settings: Settings) => Promise<readonly Figure[]>;

/** Boot first: nothing else of ours runs then. */
const BENCHMARKS: Readonly<Record<string, Measure>> = {
  boot: (world, { rounds }) => measureBoot(world, rounds),
  echo: (world, { rounds }) => measureEcho(world, rounds),
  flood: (world, { rounds }) => measureFlood(world, rounds),
  interrupt: (world, { rounds, isSoak }) => (isSoak ? soakInterrupts(world, SOAK) : measureInterrupt(world, rounds)),
  footprint: (world) => measureFootprint(world),
  stall: () => measureStall(),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" }, soak: { type: "boolean", default: false } },
});
const settings: Settings = { rounds: Number(values.rounds), isSoak: values.soak };
const names = positionals.length === 0 ? Object.keys(BENCHMARKS) : positionals;
const unknown = names.filter((name) => BENCHMARKS[name] === undefined);
if (unknown.length > 0 || !Number.isInteger(settings.rounds) || settings.rounds < 1) {
  console.error(`usage: node benchmarks/run.ts [${Object.keys(BENCHMARKS).join("|")}]… [--rounds N] [--soak]`);
  process.exit(2);
}

// The daemon is started detached, and does not keep Node waiting for its end.
const waiting = setInterval(() => undefined, 60_000);
const world = await startGuestWorld();
let closing: Promise<void> | undefined;
const close = (): Promise<void> => {
  closing ??= world.close();
  return closing;
};
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void close().finally(() => process.exit(130)));
}
try {
  console.log(`${hostLoad()} at the start\n\n${tableHead()}`);
  for (const name of names) {
    for (const figure of (await BENCHMARKS[name]?.(world, settings)) ?? []) console.log(tableRow(figure));
  }
  console.log(`\n${hostLoad()} at the end`);
} finally {
  await close();
  clearInterval(waiting);
}
