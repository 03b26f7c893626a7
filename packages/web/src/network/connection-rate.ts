import type { NetworkStatus } from "@microterm/protocol";

export type Connections = NonNullable<NetworkStatus["connections"]>;

/** One look at how many connections there have been. */
export interface Look {
  readonly opened: number | null;
  /** Milliseconds. */
  readonly at: number;
}

/** New connections a second between two looks; null: it takes two at the same machine. */
export function newPerSecond(before: Look | null, now: Look): number | null {
  if (before === null || before.opened === null || now.opened === null || now.at <= before.at) return null;
  const opened = now.opened - before.opened;
  return opened < 0 ? null : (1000 * opened) / (now.at - before.at);
}

/** `0`, `0.5`, `12`: small ones are worth a digit more. */
export const rateWords = (rate: number): string =>
  rate === 0 ? "0" : rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en");
