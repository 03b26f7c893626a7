import {
  AUDIT_DETAILS,
  type AuditEntry,
  type AuditFilter,
  type AuditId,
  type AuditOutcome,
  ERRORS,
  MAX_AUDIT_PAGE,
  PlatformError,
} from "@microterm/protocol";
import { assertAllowed } from "../access/authorize.ts";
import { NO_FAULTS } from "../machines/faults.ts";
import { describeError } from "../messages/describe-error.ts";
import type { AuditRow } from "../ports/repositories/audit-repository.ts";
import { createAuditIds } from "./audit-ids.ts";
import { type Act, type AuditLog, type AuditLogOptions, type By, type FailedSignIn, nobodyAt } from "./audit-log.ts";
import { cutTexts, programOf } from "./audit-texts.ts";
import { type Counted, MinuteCounts } from "./minute-counts.ts";

const DAY_MS = 24 * 3_600_000;
const MAX_TARGET = 64;
/** Entries of an export that are read at once: what they become is small enough for the collector of young garbage. */
const EXPORT_PIECE = 50;

const SERVER = { owner: null, origin: { via: "server", credential: null, address: null } } as const;

interface Refusal {
  readonly by: By;
  readonly act: Act;
  /** Of the error. */
  readonly code: string;
}

interface Ending {
  readonly outcome: AuditOutcome;
  readonly code?: string | null;
  readonly beginning?: AuditId | null;
  readonly count?: number;
}

export function createAuditLog(options: AuditLogOptions): AuditLog {
  const { storage, clock, random, log, days } = options;
  const faults = options.faults ?? NO_FAULTS;
  const nextId = createAuditIds(clock, random);
  const failedSignIns = new MinuteCounts<FailedSignIn>({
    keyOf: ({ address, way, account }) => `${way}\n${address}\n${account?.id}`,
    coarse: (attempt) => ({ ...attempt, address: null, account: null }),
  });
  const refusals = new MinuteCounts<Refusal>({
    keyOf: ({ by, act, code }) => `${act.action}\n${code}\n${(by === "server" ? SERVER : by).owner}`,
    coarse: (refusal) => ({ ...refusal, by: nobodyAt(null) }),
  });

  function rowOf(by: By, act: Act, { outcome, code = null, beginning = null, count = 1 }: Ending): AuditRow {
    const { owner, origin } = by === "server" ? SERVER : by;
    return {
      ...nextId(),
      ...{ action: act.action, outcome, code, beginning, count },
      account: owner,
      ...{ via: origin.via, credential: origin.credential, address: origin.address },
      environment: act.environment ?? null,
      target: act.target?.slice(0, MAX_TARGET) ?? null,
      detail: AUDIT_DETAILS[act.action].parse(cutTexts(act.detail ?? {})),
    };
  }

  /** What was done all the same. */
  async function append(row: AuditRow): Promise<void> {
    await storage.audit.append(row).catch((error: unknown) => {
      log.error("an entry of the audit log could not be written", { action: row.action, error: describeError(error) });
    });
  }

  async function appendFailedSignIns(counted: readonly Counted<FailedSignIn>[]): Promise<void> {
    for (const { address, way, account, count } of counted) {
      const detail = { way, ...(account === null ? {} : { name: account.name }) };
      const act = { action: "sign-in.failed", target: account?.id ?? null, detail } as const;
      await append(rowOf(nobodyAt(address), act, { outcome: "refused", count }));
    }
  }

  async function appendRefusals(counted: readonly Counted<Refusal>[]): Promise<void> {
    for (const { by, act, code, count } of counted) {
      // Of several, that they were refused is all that they have in common.
      await append(rowOf(by, { action: act.action } as Act, { outcome: "refused", code, count }));
    }
  }

  async function refused(refusal: Refusal): Promise<void> {
    const { over, isFirst } = refusals.add(refusal, clock.now());
    await appendRefusals(over);
    if (isFirst) await append(rowOf(refusal.by, refusal.act, { outcome: "refused", code: refusal.code }));
  }

  async function* pieces(filter: AuditFilter): AsyncGenerator<readonly AuditEntry[]> {
    for (let before: AuditId | null = null; ; ) {
      const entries: readonly AuditEntry[] = await storage.audit.find({ ...filter, before, limit: EXPORT_PIECE });
      if (entries.length > 0) yield entries;
      before = entries.at(-1)?.id ?? null;
      if (entries.length < EXPORT_PIECE) return;
    }
  }

  return {
    change: (by, act, run) =>
      storage.transaction(async (repositories) => {
        const result = await run(repositories);
        if (result === null || result === false) return result;
        for (const each of [act].flat()) await repositories.audit.append(rowOf(by, each, { outcome: "done" }));
        faults.hit("audit.entry");
        return result;
      }),

    async begin(by, act) {
      const row = rowOf(by, act, { outcome: "begun" });
      await storage.audit.append(row);
      let hasEnded = false;
      return {
        async ended(outcome, { code, detail } = {}) {
          if (hasEnded) return;
          hasEnded = true;
          const end = { ...act, detail } as Act;
          await append(rowOf(by, end, { outcome, code: code ?? null, beginning: row.id }));
        },
      };
    },

    async attempt(by, act, run) {
      try {
        return await run();
      } catch (error) {
        const code = error instanceof PlatformError ? error.code : "INTERNAL";
        const outcome = ERRORS[code].status < 500 ? "refused" : "failed";
        for (const each of [act].flat()) {
          if (outcome === "refused") await refused({ by, act: each, code });
          else await append(rowOf(by, each, { outcome, code }));
        }
        throw error;
      }
    },

    note: (by, act) => append(rowOf(by, act, { outcome: "done" })),
    program: (command) => programOf(command, options.keepsArguments),

    async signInFailed(attempt) {
      const { over, isFirst } = failedSignIns.add(attempt, clock.now());
      await appendFailedSignIns(isFirst ? [...over, { ...attempt, count: 1 }] : over);
    },

    async page(actor, filter, { cursor, limit }) {
      assertAllowed(actor, "audit.read", actor);
      // One more than asked for says whether there is another page.
      const size = Math.min(limit, MAX_AUDIT_PAGE);
      const found = await storage.audit.find({ ...filter, before: cursor, limit: size + 1 });
      const entries = found.slice(0, size);
      return { entries, cursor: found.length > size ? (entries.at(-1)?.id ?? null) : null };
    },

    async export(actor, filter) {
      assertAllowed(actor, "audit.read", actor);
      await storage.audit.append(rowOf(actor, { action: "audit.exported" }, { outcome: "done" }));
      return pieces(filter);
    },

    async sweep() {
      await appendFailedSignIns(failedSignIns.endMinute(clock.now()));
      await appendRefusals(refusals.endMinute(clock.now()));
      if (days === 0) return 0;
      return storage.audit.removeBefore(new Date(clock.now() - days * DAY_MS).toISOString());
    },

    async close() {
      await appendFailedSignIns(failedSignIns.end());
      await appendRefusals(refusals.end());
    },
  };
}
