import {
  type EnvironmentState,
  PlatformError,
  QUOTA_NAMES,
  type QuotaLimits,
  type QuotaName,
  type QuotaUse,
} from "@microterm/protocol";

/** What is about to be taken of a quota. One that takes something running needs hours of the day as well. */
export type Spending = Partial<Pick<QuotaUse, "environments" | "running" | "memoryMib" | "cpus" | "diskMib">>;

interface Sized {
  readonly memoryMib: number;
  readonly cpus: number;
  readonly diskMib: number;
}

export const spendingOfStart = ({ memoryMib, cpus }: Sized): Spending => ({ running: 1, memoryMib, cpus });

export const spendingOfCreate = (sized: Sized): Spending => ({
  ...spendingOfStart(sized),
  environments: 1,
  diskMib: sized.diskMib,
});

interface Held extends Sized {
  readonly state: EnvironmentState;
  /** Its saved memory; null: there is none. */
  readonly snapshotId: string | null;
}

/** Of one that is given to another account. */
export function spendingOfTransfer(row: Held): Spending {
  const savedMib = row.snapshotId === null ? 0 : row.memoryMib;
  return {
    ...{ environments: 1, diskMib: row.diskMib + savedMib },
    ...(row.state === "running" ? spendingOfStart(row) : {}),
  };
}

export const isUnlimited = (limits: QuotaLimits): boolean => QUOTA_NAMES.every((name) => limits[name] === null);

/** Throws `QUOTA_EXCEEDED` for the first one that has no room. What asks for nothing of a quota is not kept from it by its being overdrawn. */
export function assertRoom(limits: QuotaLimits, used: Omit<QuotaUse, "recordingsMib">, asked: Spending): void {
  const names = ["environments", "running", "memoryMib", "cpus", "diskMib"] as const;
  for (const name of names) assertOne(name, limits[name], { used: used[name], asked: asked[name] ?? 0 });
  const { hoursPerDay } = limits;
  if (asked.running === undefined || hoursPerDay === null || used.hoursPerDay < hoursPerDay) return;
  throw exceeded("hoursPerDay", hoursPerDay, { used: used.hoursPerDay, asked: 0 });
}

interface Figures {
  readonly used: number;
  readonly asked: number;
}

export function assertOne(name: QuotaName, limit: number | null, { used, asked }: Figures): void {
  if (limit !== null && asked > 0 && used + asked > limit) throw exceeded(name, limit, { used, asked });
}

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

const AMOUNTS: Readonly<Record<QuotaName, (count: number) => string>> = {
  environments: (count) => counted(count, "environment", "environments"),
  running: (count) => `${counted(count, "environment", "environments")} at once`,
  memoryMib: (count) => `${count} MiB of memory`,
  cpus: (count) => counted(count, "CPU", "CPUs"),
  diskMib: (count) => `${count} MiB of disk`,
  recordingsMib: (count) => `${count} MiB of recordings`,
  hoursPerDay: (count) => `${counted(count, "hour", "hours")} of running a day`,
};

function exceeded(name: QuotaName, limit: number, { used, asked }: Figures): PlatformError {
  const whole = Math.round(used * 100) / 100;
  const wanted = asked === 0 ? "" : `, and ${asked} more ${asked === 1 ? "is" : "are"} needed`;
  // None at all are not used up: no later day brings any.
  const isNever = name === "hoursPerDay" && limit === 0;
  const said = isNever ? "nothing may run" : `${whole} ${whole === 1 ? "is" : "are"} used${wanted}`;
  const message = `the quota is ${AMOUNTS[name](limit)}: ${said}`;
  return new PlatformError("QUOTA_EXCEEDED", message, { details: { quota: { name, limit, used: whole, asked } } });
}

/** What may be taken of each; null: no limit. */
export function leftOf(limits: QuotaLimits, used: QuotaUse): QuotaLimits {
  const left = QUOTA_NAMES.map((name) => {
    const limit = limits[name];
    return [name, limit === null ? null : Math.max(0, limit - used[name])] as const;
  });
  return Object.fromEntries(left) as Record<QuotaName, number | null>;
}
