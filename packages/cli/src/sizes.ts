import { LONGEST_SECONDS, parseDuration } from "@microterm/protocol";
import { CliError } from "./failure.ts";

const MIB_PER_UNIT: Readonly<Record<string, number>> = { m: 1, g: 1024, t: 1024 * 1024 };

/** `--memory 4g`, or `memory=4g` where the option has its `=`. */
const given = (option: string, text: string): string => (option.endsWith("=") ? option + text : `${option} ${text}`);

/**
 * `512m`, `1.5g`, `2GiB` in MiB. A number alone is refused: other tools mean bytes by it.
 * @throws CliError that names `option` and the value.
 */
export function parseMib(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)([mgt])(?:i?b)?$/i.exec(text.trim());
  const mib = Number(match?.[1]) * (MIB_PER_UNIT[match?.[2]?.toLowerCase() ?? ""] ?? Number.NaN);
  if (!Number.isSafeInteger(mib)) {
    const why = /^\d+$/.test(text) ? "has no unit" : "is not a whole number of MiB";
    throw new CliError(`${given(option, text)} ${why}.`, {
      hint: `Write it like ${given(option, "512m")} or ${given(option, "4g")}.`,
    });
  }
  return mib;
}

/** @throws CliError unless `text` is a whole number. */
export function parseCount(text: string, option: string): number {
  if (!/^\d{1,9}$/.test(text))
    throw new CliError(`${given(option, text)} is not a whole number.`, {
      hint: `Write it like ${given(option, "2")}.`,
    });
  return Number(text);
}

/** `150%`. @throws CliError unless `text` is a whole number of percent. */
export function parsePercent(text: string, option: string): number {
  const digits = /^(\d{1,9})%$/.exec(text)?.[1];
  if (digits === undefined)
    throw new CliError(`${option} ${text} is not a whole number of percent.`, {
      hint: `Write it like ${option} 150%: all of one CPU and half of another.`,
    });
  return Number(digits);
}

/** What the server takes, whatever the unit. @throws CliError */
export function withinLimits(value: number, { min, max }: Range, { option, text }: Said): number {
  if (value >= min && value <= max) return value;
  const write = text.endsWith("%") ? (limit: number) => `${limit}%` : option === "--disk-rate" ? asOption : String;
  throw new CliError(`${given(option, text)} is not from ${write(min)} to ${write(max)}.`, {
    hint: `Write it like ${given(option, write(value < min ? min : max))}.`,
  });
}

interface Said {
  readonly option: string;
  readonly text: string;
}

interface Range {
  readonly min: number;
  readonly max: number;
}

/** What the server takes, in the units that the option was given in. @throws CliError */
export function within(value: number, range: Range, said: Said): number {
  if (value >= range.min && value <= range.max) return value;
  const { option, text } = said;
  const write = option === "--cpus" ? String : asOption;
  const limit =
    value < range.min ? `less than ${write(range.min)}, the least` : `more than ${write(range.max)}, the most`;
  throw new CliError(`${option} ${text} is ${limit} that an environment can have.`, {
    hint: `Write it like ${option} ${write(value < range.min ? range.min : range.max)}.`,
  });
}

/** MiB as {@link parseMib} reads it, in the largest unit that is whole. */
function asOption(mib: number): string {
  const [unit, size] = Object.entries(MIB_PER_UNIT)
    .reverse()
    .find(([, size]) => mib >= size && mib % size === 0) ?? ["m", 1];
  return `${mib / size}${unit}`;
}

/** `30m`, `8h` in seconds; `0` is never. @throws CliError that names `option` and the value. */
export function parseSeconds(text: string, option: string): number {
  const seconds = parseDuration(text);
  if (seconds === null) {
    throw new CliError(`${option} ${text} is no time.`, { hint: `Write it like ${option} 30m or ${option} 8h.` });
  }
  if (seconds > LONGEST_SECONDS) {
    throw new CliError(`${option} ${text} is longer than 365d, the longest there is.`, {
      hint: `Write it like ${option} 8h, or ${option} 0 for never.`,
    });
  }
  return seconds;
}

export function formatMib(mib: number): string {
  return mib >= 1024 && mib % 512 === 0 ? `${mib / 1024} GiB` : `${mib} MiB`;
}

/** Decimal units, as disks and networks are sold. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const exponent = Math.min(4, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** exponent;
  return `${value.toFixed(value < 10 ? 1 : 0)} ${["B", "kB", "MB", "GB", "TB"][exponent]}`;
}
