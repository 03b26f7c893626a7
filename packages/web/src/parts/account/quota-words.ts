/** What the page says of quotas. */
import { QUOTA_NAMES, type QuotaLimits, type QuotaName } from "@microterm/protocol";

export const QUOTA_LABELS: Readonly<Record<QuotaName, string>> = {
  environments: "Environments",
  running: "Running at once",
  memoryMib: "Memory",
  cpus: "CPUs",
  diskMib: "Disk",
  recordingsMib: "Recordings",
  hoursPerDay: "Hours a day",
};

/** Behind the label of a field whose number has a unit. */
export const QUOTA_UNITS: Readonly<Partial<Record<QuotaName, string>>> = {
  memoryMib: "MiB",
  diskMib: "MiB",
  recordingsMib: "MiB",
};

const sizeWords = (mib: number): string => (mib >= 1024 ? `${Number((mib / 1024).toFixed(1))} GiB` : `${mib} MiB`);

/** `4 GiB`, `2.5`; null: there is no limit. */
export const amountWords = (name: QuotaName, amount: number | null): string => {
  if (amount === null) return "no limit";
  return QUOTA_UNITS[name] === undefined ? String(Number(amount.toFixed(1))) : sizeWords(amount);
};

/** Is as much used as there may be? */
export const isUsedUp = (limit: number | null, used: number): boolean => limit !== null && used >= limit;

export const limitsOf = (of: (name: QuotaName) => number | null): QuotaLimits =>
  Object.fromEntries(QUOTA_NAMES.map((name) => [name, of(name)])) as QuotaLimits;
