import { poll } from "../support/server.ts";
import { type Figure, median, signed, spread } from "./figures.ts";
import type { GuestWorld } from "./guest-world.ts";
import type { OpenTerminal, TerminalEnd } from "./terminal-end.ts";

const KEYS_A_ROUND = 200;
/** The first keys run code that the emulator has not translated yet. */
const WARM_KEYS = 50;
const FLOOD_BYTES = 20_000_000;
const INTERRUPTS_A_ROUND = 20;
/** Ctrl-C is only sent once this much has come: an earlier one would arrive before the program runs. */
const FLOWING_BYTES = 100_000;
const LOST_MS = 30_000;

const ECHO = "stty raw -echo; printf ready; exec cat";
// The file is made before the clock starts, so that what is measured is the terminal and not `yes`. No newline is translated, so that
// both ends count the same bytes.
const FLOOD = `stty -onlcr; yes 0123456789abcdef | head -c ${FLOOD_BYTES} > /tmp/flood; printf ready; read go; cat /tmp/flood; printf END; exec cat`;
/** Floods with lines of this text; tells when it has been stopped, and goes on at a newline. */
const yes = (line: string): string =>
  `trap : INT; printf ready; read go; while :; do yes ${line}; printf INTERRUPTED; read next; done`;
const LINE = "0123456789".repeat(8).slice(1);

async function using<T>(open: OpenTerminal, script: string, work: (end: TerminalEnd) => Promise<T>): Promise<T> {
  const end = await open(script);
  try {
    return await work(end);
  } finally {
    await end.close();
  }
}

/** From each key until its echo, ms. */
export const typeKeys = (open: OpenTerminal, keys: number): Promise<number[]> =>
  using(open, ECHO, async (end) => {
    await end.until("ready");
    const times: number[] = [];
    for (let key = 0; key < WARM_KEYS + keys; key++) {
      const letter = String.fromCharCode(97 + (key % 26));
      const begin = performance.now();
      end.type(letter);
      await end.until(letter);
      if (key >= WARM_KEYS) times.push(performance.now() - begin);
    }
    return times;
  });

/** MB/s of a script that says `ready`, and at a newline prints so many bytes and `END`. */
export const flood = (open: OpenTerminal, script: string, bytes: number): Promise<number> =>
  using(open, script, async (end) => {
    await end.until("ready");
    const begin = performance.now();
    end.type("\n");
    await end.until("END");
    return bytes / 1000 / (performance.now() - begin);
  });

/** From each Ctrl-C until the program that it stopped is seen to have stopped, ms. Rejects when one is lost. */
export const interrupt = (open: OpenTerminal, line: string, count: number): Promise<number[]> =>
  using(open, yes(line), async (end) => {
    const times: number[] = [];
    await end.until("ready");
    end.type("\n");
    for (let round = 0; round < count; round++) {
      const before = end.received();
      await poll("the flood", () => end.received() > before + FLOWING_BYTES);
      const begin = performance.now();
      end.type("\x03");
      await end.until("INTERRUPTED", LOST_MS);
      times.push(performance.now() - begin);
      end.type("\n");
    }
    return times;
  });

/** Both ways by turns, so that whatever else the host does falls on both. */
async function byTurns<T>(world: GuestWorld, rounds: number, measure: (open: OpenTerminal) => Promise<T>) {
  const { served, raw } = await world.terminals();
  const results: { served: T[]; raw: T[] } = { served: [], raw: [] };
  for (let round = 0; round < rounds; round++) {
    results.raw.push(await measure(raw));
    results.served.push(await measure(served));
  }
  return results;
}

export async function measureEcho(world: GuestWorld, rounds: number): Promise<readonly Figure[]> {
  const times = await byTurns(world, rounds, (open) => typeKeys(open, KEYS_A_ROUND));
  const [served, raw] = [times.served.flat(), times.raw.flat()];
  return [
    {
      name: `key echo p50 / p99 of ${served.length}`,
      figure: spread(served),
      floor: spread(raw),
      ratio: signed(median(served) - median(raw)),
      target: "p50 ≤ 1.0 ms above a raw virtio-serial port",
    },
  ];
}

export async function measureFlood(world: GuestWorld, rounds: number): Promise<readonly Figure[]> {
  const { served, raw } = await byTurns(world, rounds, (open) => flood(open, FLOOD, FLOOD_BYTES));
  return [
    {
      name: `flood of ${FLOOD_BYTES / 1e6} MB, p50 of ${rounds}`,
      figure: `${median(served).toFixed(1)} MB/s`,
      floor: `${median(raw).toFixed(1)} MB/s`,
      ratio: `${(median(served) / median(raw)).toFixed(2)} ×`,
      target: "≥ 0.6 × a raw virtio-serial port",
    },
  ];
}

/**
 * Under lines of 79 columns, and under the two bytes of a plain `yes`: for each line the guest's kernel does the same work, and it
 * holds the terminal's lock for 2 KiB of output, which a Ctrl-C has to wait for.
 */
export async function measureInterrupt(world: GuestWorld, rounds: number): Promise<readonly Figure[]> {
  const flows = [
    { line: LINE, name: "lines of 79 columns", target: "p50 ≤ 5 ms" },
    { line: "y", name: "a plain `yes`", target: "the floor is above 5 ms in an emulated guest" },
  ];
  const figures: Figure[] = [];
  for (const { line, name, target } of flows) {
    const times = await byTurns(world, rounds, (open) => interrupt(open, line, INTERRUPTS_A_ROUND));
    const [served, raw] = [times.served.flat(), times.raw.flat()];
    figures.push({
      name: `Ctrl-C under ${name}, p50 / p99 of ${served.length}`,
      figure: spread(served),
      floor: spread(raw),
      ratio: signed(median(served) - median(raw)),
      target,
    });
  }
  return figures;
}

/** Thousands of Ctrl-C, each in the middle of a flood, and how many of them never ended it. */
export async function soakInterrupts(world: GuestWorld, count: number): Promise<readonly Figure[]> {
  const { served } = await world.terminals();
  const times: number[] = [];
  let lost = 0;
  while (times.length + lost < count) {
    const wanted = Math.min(100, count - times.length - lost);
    try {
      times.push(...(await interrupt(served, LINE, wanted)));
    } catch (error) {
      lost += 1;
      console.error(`lost after ${times.length}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return [
    {
      name: `Ctrl-C, soak of ${count}, p50 / p99`,
      figure: `${lost} lost, ${spread(times)}`,
      target: "none lost",
    },
  ];
}
