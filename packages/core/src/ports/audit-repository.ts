import type {
  AccountId,
  AuditAction,
  AuditEntry,
  AuditFilter,
  AuditId,
  AuditOutcome,
  AuditVia,
  EnvironmentId,
} from "@microterm/protocol";

/** One entry as it is written. */
export interface AuditRow {
  readonly id: AuditId;
  readonly at: string;
  readonly action: AuditAction;
  readonly outcome: AuditOutcome;
  readonly code: string | null;
  /** Account and environment stand with the names that they have when the entry is written. */
  readonly account: AccountId | null;
  readonly via: AuditVia;
  readonly credential: string | null;
  readonly address: string | null;
  readonly environment: EnvironmentId | null;
  readonly target: string | null;
  readonly beginning: AuditId | null;
  readonly count: number;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** What entries are looked for. */
export interface AuditQuery extends AuditFilter {
  /** Entries before this one; null: from the newest on. */
  readonly before: AuditId | null;
  /** How many at most. */
  readonly limit: number;
}

/** The audit log. The database itself refuses to change an entry, and to delete one but by `removeBefore`. */
export interface AuditRepository {
  append(row: AuditRow): Promise<void>;
  /** The newest first. */
  find(query: AuditQuery): Promise<readonly AuditEntry[]>;
  /** Resolves with how many it has deleted. */
  removeBefore(time: string): Promise<number>;
}
