const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** The longest idle time-out and time to live: a year. What is to be longer is never, and 0 says so. */
export const LONGEST_SECONDS = 31_536_000;

/** `90s`, `30m`, `8h`, `1d` in seconds, and `0` for never; null for anything else. A number alone has no meaning but 0. */
export function parseDuration(text: string): number | null {
  if (text === "0") return 0;
  const match = /^(\d{1,8})([smhd])$/.exec(text);
  return match === null ? null : Number(match[1]) * (SECONDS[match[2] ?? ""] ?? Number.NaN);
}
