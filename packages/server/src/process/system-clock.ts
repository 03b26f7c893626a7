import { randomBytes, randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Clock, Randomness } from "@microterm/core";
import { DEADLINE_FACTOR } from "@microterm/host";

/** The real clock and real chance, for core which has neither of its own. */
export const systemClock: Clock = {
  deadlineFactor: DEADLINE_FACTOR,
  now: () => Date.now(),
  // The two AbortSignal types are one thing at run time; core's is the subset that it may use.
  sleep: (ms, signal) => delay(ms, undefined, signal === undefined ? {} : { signal: signal as globalThis.AbortSignal }),
};

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";

export const systemRandomness: Randomness = {
  id: (length) => Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join(""),
  bytes: (length) => randomBytes(length),
};
