import type { Clock, Log, Randomness } from "../ports/clock.ts";

/** The real clock, for tests: nothing of core's is tested against a time that is made up. */
export const systemClock: Clock = {
  deadlineFactor: 1,
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
    }),
};

const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";

export const systemRandom: Randomness = {
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  id(length) {
    let id = "";
    while (id.length < length) {
      const [byte = 255] = crypto.getRandomValues(new Uint8Array(1));
      // 252 is the last multiple of 36 in a byte: what is above would favour the first letters.
      if (byte < 252) id += ALPHABET[byte % 36];
    }
    return id;
  },
};

export const silentLog: Log = { info() {}, warn() {}, error() {} };
