import {
  type AccountId,
  type EnvironmentId,
  PlatformError,
  QUOTA_NAMES,
  type Quota,
  type QuotaLimits,
  type Quotas,
  type QuotaUse,
  type Role,
} from "@microterm/protocol";
import { type Actor, SYSTEM } from "../access/actor.ts";
import { assertAllowed } from "../access/authorize.ts";
import type { AuditLog } from "../audit/audit-log.ts";
import type { Clock } from "../ports/clock.ts";
import type { AccountRow } from "../ports/repositories/account-repository.ts";
import type { EnvironmentRow, Storage } from "../ports/repository.ts";
import { timestamp } from "../time/timestamp.ts";
import { leftOf } from "./room.ts";
import { dayEndOf } from "./running-time.ts";

/** What accounts may have. What they take is checked where it is taken: by storage, and by {@link recordingRoom}. */
export interface QuotaService {
  own(actor: Actor): Promise<Quota>;
  /** For admins. */
  all(actor: Actor): Promise<Quotas>;
  setRole(actor: Actor, role: Role, limits: QuotaLimits): Promise<void>;
  /** `account`: by name or id; null: what its role has. Rejects with `ACCOUNT_NOT_FOUND`. */
  setAccount(actor: Actor, account: string, limits: QuotaLimits | null): Promise<void>;
  /** What the owner of an environment may have of recordings, MiB (null: no limit), and all environments whose recordings count for that. */
  recordingRoom(environment: EnvironmentId): Promise<RecordingRoom>;
}

export interface RecordingRoom {
  readonly limitMib: number | null;
  readonly environments: readonly EnvironmentId[];
}

export interface QuotaServiceOptions {
  readonly storage: Pick<Storage, "accounts" | "environments" | "quotas">;
  /** Over the same storage. */
  readonly audit: AuditLog;
  readonly clock: Clock;
  /** What the recordings of these environments take, as they count for quotas, MiB. */
  readonly recordingsMib: (environments: readonly EnvironmentId[]) => Promise<number>;
}

export function createQuotaService({ storage, audit, clock, recordingsMib }: QuotaServiceOptions): QuotaService {
  const { accounts, environments, quotas } = storage;

  async function useOf(account: AccountId, all: readonly EnvironmentRow[]): Promise<QuotaUse> {
    const [stored, recorded] = await Promise.all([
      quotas.use(account, timestamp(clock)),
      recordingsMib(idsOf(account, all)),
    ]);
    return { ...stored, recordingsMib: recorded };
  }

  /** `all`: its environments at least. */
  async function quotaOf(
    account: AccountId,
    all: readonly EnvironmentRow[],
  ): Promise<Pick<Quota, "limits" | "used" | "isOwn">> {
    const quota = await quotas.of(account);
    if (quota === null) throw new PlatformError("ACCOUNT_NOT_FOUND", "the account is not there any more");
    return { ...quota, used: await useOf(account, all) };
  }

  async function requireAccount(reference: string): Promise<AccountRow> {
    const found = await accounts.find(reference);
    if (found !== null) return found;
    throw new PlatformError("ACCOUNT_NOT_FOUND", `there is no account '${reference.slice(0, 64)}'`);
  }

  return {
    async own(actor) {
      assertAllowed(actor, "environment.read", actor);
      const quota = await quotaOf(actor.owner, await environments.list(actor));
      const dayEndsAt = new Date(dayEndOf(timestamp(clock))).toISOString();
      return { ...quota, left: leftOf(quota.limits, quota.used), dayEndsAt };
    },

    async all(actor) {
      assertAllowed(actor, "accounts.read", actor);
      const [roles, everybody, rows] = await Promise.all([quotas.roles(), accounts.list(), environments.list(SYSTEM)]);
      const each = everybody.map(async ({ id, name, role }) => ({
        account: { id, name, role },
        ...(await quotaOf(id, rows)),
      }));
      return { roles, accounts: await Promise.all(each) };
    },

    setRole: (actor, role, limits) =>
      audit.attempt(actor, { action: "quota.changed", detail: { role } }, async () => {
        assertAllowed(actor, "accounts.change", actor);
        const act = { action: "quota.changed", detail: { role, limits: limitTexts(limits) } } as const;
        await audit.change(actor, act, (to) => to.quotas.setRole(role, limits));
      }),

    setAccount: (actor, reference, limits) =>
      audit.attempt(actor, { action: "quota.changed", target: reference }, async () => {
        assertAllowed(actor, "accounts.change", actor);
        const { id } = await requireAccount(reference);
        const act = { action: "quota.changed", target: id, detail: { limits: limitTexts(limits) } } as const;
        await audit.change(actor, act, (to) => to.quotas.setAccount(id, limits));
      }),

    async recordingRoom(environment) {
      const row = await environments.get(environment, SYSTEM);
      if (row === null) throw new PlatformError("ENVIRONMENT_NOT_FOUND", "the environment was removed meanwhile");
      const limitMib = (await quotas.of(row.owner))?.limits.recordingsMib ?? null;
      return { limitMib, environments: limitMib === null ? [] : idsOf(row.owner, await environments.list(SYSTEM)) };
    },
  };
}

const idsOf = (owner: AccountId, all: readonly EnvironmentRow[]): readonly EnvironmentId[] =>
  all.filter((row) => row.owner === owner).map(({ id }) => id);

/** For a person; null: what its role has. */
function limitTexts(limits: QuotaLimits | null): string[] {
  return limits === null ? ["default"] : QUOTA_NAMES.map((name) => `${name}=${limits[name] ?? "none"}`);
}
