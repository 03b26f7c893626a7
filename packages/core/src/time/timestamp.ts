import type { Clock } from "../ports/clock.ts";

/** Now, as it is stored. */
export const timestamp = (clock: Pick<Clock, "now">): string => new Date(clock.now()).toISOString();
