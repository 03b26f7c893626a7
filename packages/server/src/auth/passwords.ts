import type { Passwords } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import { hash, verify } from "@node-rs/argon2";

/** Argon2id with OWASP's parameters (Password Storage Cheat Sheet). 2 is `Algorithm.Argon2id`, a const enum, of which types that are stripped leave nothing. */
const PARAMETERS = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const CURRENT = `$argon2id$v=19$m=${PARAMETERS.memoryCost},t=${PARAMETERS.timeCost},p=${PARAMETERS.parallelism}$`;
/** Each takes 19 MiB, and a thread of libuv's four, which files need as well. */
const AT_ONCE = 2;
/** In each of two queues; one that waits at their end does so for a second or two. */
const MAX_WAITING = 32;

/** Of a random password: what is checked where there is no account. */
const NOBODYS = `${CURRENT}bWljcm90ZXJtLW5vYm9keQ$1Oo/b35OdADbdW8XgC1FEW8oHCO0iH3RbPTwDYdRjnQ`;

export function createPasswords(): Passwords {
  const [urgent, others]: (() => void)[][] = [[], []];
  let running = 0;

  async function inTurn<T>(isUrgent: boolean, run: () => Promise<T>): Promise<T> {
    const queue = (isUrgent ? urgent : others) ?? [];
    if (running >= AT_ONCE) {
      if (queue.length >= MAX_WAITING) throw new PlatformError("TOO_MANY", "too many people sign in at this moment");
      // A hash that has ended hands its place on.
      await new Promise<void>((resolve) => queue.push(resolve));
    } else {
      running += 1;
    }
    try {
      return await run();
    } finally {
      const next = urgent?.shift() ?? others?.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  }

  return {
    hash: (password) => inTurn(false, () => hash(normal(password), PARAMETERS)),
    verify: (stored, password, isUrgent) =>
      inTurn(isUrgent, async () => {
        const isRight = await verify(stored ?? NOBODYS, normal(password));
        if (stored === null || !isRight) return "wrong";
        return stored.startsWith(CURRENT) ? "right" : "outdated";
      }),
  };
}

/** Keyboards differ in how they compose an accented letter (NIST SP 800-63B, 3.1.1.2). */
const normal = (password: string): string => password.normalize("NFKC");
