import { z } from "zod";
import { AccountId, Role } from "./account.ts";

/** What a quota limits, each with the most that it may be set to. */
export const QUOTA_MOST = {
  /** Environments in any state. */
  environments: 10_000,
  /** Those that run, or are being started, at once. */
  running: 10_000,
  /** Of those, together. */
  memoryMib: 16_777_216,
  cpus: 100_000,
  /** Of all environments' disks as they may become, with the saved memory of those that are paused. */
  diskMib: 1_073_741_824,
  /** Of all environments' recordings; one that is on counts as what it may become. */
  recordingsMib: 16_777_216,
  /** Of running, of all environments together, in a day of UTC. */
  hoursPerDay: 240_000,
} as const;

export type QuotaName = keyof typeof QUOTA_MOST;
export const QUOTA_NAMES = Object.keys(QUOTA_MOST) as readonly QuotaName[];
export const QuotaName = z.enum(QUOTA_NAMES);

const limit = (name: QuotaName) => z.number().int().min(0).max(QUOTA_MOST[name]).nullable();

/** The most of each that one account may have. Null: no limit. */
export const QuotaLimits = z.strictObject({
  environments: limit("environments"),
  running: limit("running"),
  memoryMib: limit("memoryMib"),
  cpus: limit("cpus"),
  diskMib: limit("diskMib"),
  recordingsMib: limit("recordingsMib"),
  hoursPerDay: limit("hoursPerDay"),
});
export type QuotaLimits = Readonly<z.infer<typeof QuotaLimits>>;

/** What an account has of each now; hours with their fraction. */
export const QuotaUse = z.strictObject({
  environments: z.number().int(),
  running: z.number().int(),
  memoryMib: z.number().int(),
  cpus: z.number().int(),
  diskMib: z.number().int(),
  recordingsMib: z.number().int(),
  hoursPerDay: z.number(),
});
export type QuotaUse = Readonly<z.infer<typeof QuotaUse>>;

/** `GET /v1/quota`: one's own. */
export const Quota = z.strictObject({
  limits: QuotaLimits,
  used: QuotaUse,
  /** Null: as much as the host has. */
  left: z.strictObject({
    ...QuotaLimits.shape,
    hoursPerDay: z.number().min(0).nullable(),
  }),
  /** False: it is what its role has. */
  isOwn: z.boolean(),
  /** When the hours of the day begin again. */
  dayEndsAt: z.iso.datetime(),
});
export type Quota = Readonly<z.infer<typeof Quota>>;

/** `GET /v1/quotas`: what each role has, and what each account has and uses. */
export const Quotas = z.strictObject({
  roles: z.strictObject({ admin: QuotaLimits, member: QuotaLimits, visitor: QuotaLimits }),
  accounts: z.array(
    z.strictObject({
      account: z.strictObject({ id: AccountId, name: z.string(), role: Role }),
      limits: QuotaLimits,
      used: QuotaUse,
      /** False: it is what its role has. */
      isOwn: z.boolean(),
    }),
  ),
});
export type Quotas = Readonly<z.infer<typeof Quotas>>;

/** `PUT /v1/accounts/{account}/quota`: a quota of its own; null: what its role has. */
export const AccountQuota = z.strictObject({ limits: QuotaLimits.nullable() });
export type AccountQuota = Readonly<z.infer<typeof AccountQuota>>;

/** QUOTA_EXCEEDED: in the quota's own unit. `asked` is 0 where nothing may be begun any more today. */
export const QuotaShortage = z.strictObject({
  name: QuotaName,
  limit: z.number(),
  used: z.number(),
  asked: z.number(),
});
export type QuotaShortage = Readonly<z.infer<typeof QuotaShortage>>;
