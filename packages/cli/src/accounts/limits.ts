import { QUOTA_MOST, type Quota, type QuotaLimits, type QuotaName } from "@microterm/protocol";
import { CliError, EXIT } from "../failure.ts";
import { formatMib, parseCount, parseMib, withinLimits } from "../sizes.ts";

interface Kind {
  readonly quota: QuotaName;
  readonly unit: "count" | "MiB" | "hours";
}

/** What limits are called here, and in which unit they are given. */
export const LIMITS: Readonly<Record<string, Kind>> = {
  environments: { quota: "environments", unit: "count" },
  running: { quota: "running", unit: "count" },
  memory: { quota: "memoryMib", unit: "MiB" },
  cpus: { quota: "cpus", unit: "count" },
  disk: { quota: "diskMib", unit: "MiB" },
  recordings: { quota: "recordingsMib", unit: "MiB" },
  hours: { quota: "hoursPerDay", unit: "hours" },
};

/** `null`: what the account's role has. */
export type Wish = Partial<QuotaLimits> | null;

const NO_LIMITS = Object.fromEntries(Object.values(LIMITS).map(({ quota }) => [quota, null])) as QuotaLimits;

/** `memory=4g running=none`, `none` or `default`. @throws CliError that names the word. */
export function parseLimits(words: readonly string[]): Wish {
  if (words.length === 1 && words[0] === "none") return NO_LIMITS;
  if (words.length === 1 && words[0] === "default") return null;
  return Object.fromEntries(words.map(parseLimit));
}

function parseLimit(word: string): readonly [QuotaName, number | null] {
  const [name = "", text = ""] = word.split("=", 2);
  const kind = Object.hasOwn(LIMITS, name) ? LIMITS[name] : undefined;
  if (kind === undefined || text === "") {
    throw new CliError(`'${word}' is no limit.`, {
      hint: `Write it like memory=4g; there are ${Object.keys(LIMITS).join(", ")}.`,
      exitCode: EXIT.usage,
    });
  }
  if (text === "none") return [kind.quota, null];
  const value = kind.unit === "MiB" ? parseMib(text, `${name}=`) : parseCount(text, `${name}=`);
  return [kind.quota, withinLimits(value, { min: 0, max: QUOTA_MOST[kind.quota] }, { option: `${name}=`, text })];
}

export function amountWords(value: number | null, { unit }: Kind): string {
  if (value === null) return "no limit";
  if (unit === "MiB") return formatMib(value);
  return unit === "hours" ? `${Math.round(value * 10) / 10} h` : String(value);
}

/** `Of your quota: 3 of 10 environments, 512 MiB of 4 GiB memory.` Null where nothing is limited. */
export function quotaWords({ limits, used }: Pick<Quota, "limits" | "used">): string | null {
  const parts = Object.entries(LIMITS).flatMap(([name, kind]) => {
    const limit = limits[kind.quota];
    if (limit === null) return [];
    const words = `${amountWords(used[kind.quota], kind)} of ${amountWords(limit, kind)}`;
    // Its unit is what it is called.
    return [kind.unit === "hours" ? `${words} today` : `${words} ${name}`];
  });
  return parts.length === 0 ? null : `Of your quota: ${parts.join(", ")}.`;
}
