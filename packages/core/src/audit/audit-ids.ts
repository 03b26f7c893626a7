import { AuditId } from "@microterm/protocol";
import type { Clock, Randomness } from "../ports/clock.ts";

const TIME_DIGITS = 9;
const COUNT_DIGITS = 3;
const MOST_OF_ONE_MS = 36 ** COUNT_DIGITS;
/** A clock that goes back by less is not followed; one that was set right is. */
const LONGEST_STEP_BACK_MS = 1000;

/** Ids and times of entries, in the order in which they are asked for, unless the clock is set back. Those of other servers differ by their random digits. */
export function createAuditIds(clock: Clock, random: Randomness): () => { readonly id: AuditId; readonly at: string } {
  let ms = 0;
  let count = 0;
  return () => {
    const now = Math.floor(clock.now());
    if (now > ms || now < ms - LONGEST_STEP_BACK_MS) {
      ms = now;
      count = 0;
    } else if (++count === MOST_OF_ONE_MS) {
      ms += 1;
      count = 0;
    }
    const id = `${firstIdOf(ms)}${digits(count, COUNT_DIGITS)}${random.id(6)}`;
    return { id: AuditId.parse(id), at: new Date(ms).toISOString() };
  };
}

/** What sorts before all ids of entries of this time or later, and after those of before. */
export const firstIdOf = (ms: number): string => digits(Math.max(0, Math.floor(ms)), TIME_DIGITS);

const digits = (value: number, length: number): string => value.toString(36).padStart(length, "0");
