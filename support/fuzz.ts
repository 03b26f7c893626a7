import { randomInt } from "node:crypto";

/** Lengths and counts at which parsers err. */
const EDGES = [0, 1, 7, 8, 16, 255, 256, 65_535, 65_536, 65_537, 0x7fff_ffff, 0xffff_ffff] as const;
const MAX_BYTES = 8192;
/** Larger than any parser has outcomes that are worth a seed. */
const MAX_CORPUS = 2000;

export interface FuzzOptions {
  /** Where mutation starts: golden cases. */
  readonly seeds: readonly Buffer[];
  readonly seconds: number;
  /** Throws where a promise is broken; else says in a word what the input led to. */
  readonly check: (input: Buffer, random: (below: number) => number) => string;
}

/**
 * Mutates and splices inputs for some seconds. There is no coverage to be guided by: an input that leads to what none has led to
 * before is kept and mutated further. Returns how many inputs ran; throws with the input where `check` does.
 */
export function fuzz({ seeds, seconds, check }: FuzzOptions): number {
  const start = randomInt(2 ** 32);
  const random = createRandom(start);
  const corpus = [...seeds];
  const outcomes = new Set<string>();
  let runs = 0;
  for (const until = performance.now() + seconds * 1000; performance.now() < until; runs += 1) {
    const input = runs < seeds.length ? (seeds[runs] as Buffer) : mutate(corpus, random);
    let outcome: string;
    try {
      outcome = check(input, random);
    } catch (cause) {
      throw new Error(`input ${runs} of seed ${start}: ${input.toString("hex")}`, { cause });
    }
    if (outcomes.has(outcome) || corpus.length >= MAX_CORPUS) continue;
    outcomes.add(outcome);
    corpus.push(input);
  }
  return runs;
}

function mutate(corpus: readonly Buffer[], random: (below: number) => number): Buffer {
  const any = (): Buffer => corpus[random(corpus.length)] ?? Buffer.alloc(0);
  let bytes = Buffer.from(any());
  for (let times = 1 + random(4); times > 0; times -= 1) {
    const at = random(bytes.length + 1);
    const to = at + random(bytes.length - at + 1);
    const other = any();
    switch (random(7)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << random(8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = random(256);
        break;
      case 2:
        if (at + 4 <= bytes.length) bytes.writeUInt32BE(EDGES[random(EDGES.length)] as number, at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)]);
        break;
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at), other, bytes.subarray(at)]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(random(other.length + 1))]);
    }
  }
  return bytes.subarray(0, MAX_BYTES);
}

/** mulberry32 (Tommy Ettinger, public domain): the run can be had again from its seed. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return Math.floor((((word ^ (word >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Cuts bytes into pieces of any size, some of them empty. */
export function cutAnywhere(bytes: Buffer, random: (below: number) => number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = random(Math.min(bytes.length - at, 1 + random(64)) + 1);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}
