import type {
  AccountId,
  AdminAct,
  AuditAction,
  AuditEntry,
  AuditFilter,
  AuditId,
  AuditOutcome,
  AuditVia,
  EnvironmentId,
  OwnerId,
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

export interface AdminActMade {
  readonly id: string;
  readonly at: string;
  readonly admin: AccountId;
}

export interface LookInMade extends AdminActMade {
  readonly environment: EnvironmentId;
}

export interface TransferMade extends AdminActMade {
  /** Who had it until then, and its name there. */
  readonly owner: OwnerId;
  readonly environmentName: string;
  readonly recipient: OwnerId;
}

/**
 * What owners are told of admins' acts, with the names of that time. Nobody is told what they did themselves: that is not kept. A look-in
 * goes with its environment, and all with the owner's account.
 */
export interface AdminActRepository {
  /** Into a terminal of the environment: told to who owns it now. */
  lookedIn(act: LookInMade): Promise<void>;
  transferred(act: TransferMade): Promise<void>;
  /** The newest first, at most `limit`. */
  list(owner: OwnerId, limit: number): Promise<readonly AdminAct[]>;
}
