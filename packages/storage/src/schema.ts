import type { CredentialKind } from "@microterm/core";
import type {
  AdminAct,
  AuditAction,
  AuditOutcome,
  AuditVia,
  BootStep,
  EnvironmentState,
  Operation,
  Role,
  ShareKind,
  ShareRole,
  Size,
} from "@microterm/protocol";
import type { Generated } from "kysely";

/**
 * The tables, the same on every database. Times are ISO 8601 in UTC with milliseconds, as text: they sort as they
 * read, and no driver turns them into something else.
 */
export interface Schema {
  accounts: AccountsTable;
  environments: EnvironmentsTable;
  receipts: ReceiptsTable;
  credentials: CredentialsTable;
  invitations: InvitationsTable;
  identities: IdentitiesTable;
  idempotency: IdempotencyTable;
  templates: TemplatesTable;
  machine_pins: MachinePinsTable;
  servers: ServersTable;
  pool_machines: PoolMachinesTable;
  preview_grants: PreviewGrantsTable;
  networks: NetworksTable;
  audit: AuditTable;
  audit_retention: AuditRetentionTable;
  shares: SharesTable;
  share_grants: ShareGrantsTable;
  admin_acts: AdminActsTable;
  role_quotas: RoleQuotasTable;
  account_quotas: AccountQuotasTable;
  running_days: RunningDaysTable;
  recordings: RecordingsTable;
  recording_chunks: RecordingChunksTable;
  kept_screens: KeptScreensTable;
  consoles: ConsolesTable;
  attempts: AttemptsTable;
}

export interface AccountsTable {
  id: string;
  /** Never null but while it is migrated. */
  name: string;
  role: Role;
  password_hash: string | null;
  disabled_at: string | null;
  stops_at: string | null;
  last_seen_at: string | null;
  created_at: string;
  /** 1 for one account at most. */
  is_data_folder: Generated<number>;
}

export interface EnvironmentsTable {
  id: string;
  name: string;
  owner: string;
  state: EnvironmentState;
  operation: Operation | null;
  step: BootStep | null;
  interruptions: number;
  reason: string | null;
  driver: string;
  memory_mib: number;
  cpus: number;
  disk_mib: number;
  cpu_quota_percent: number | null;
  cpu_weight: number | null;
  disk_mib_per_second: number | null;
  disk_operations_per_second: number | null;
  machine_id: string | null;
  size: Size | null;
  disk_id: string;
  image: string | null;
  /** A policy, as JSON. */
  network: string | null;
  shared_network: string | null;
  save_id: string | null;
  idle_timeout_seconds: number | null;
  expires_at: string | null;
  /** While it is running: since when its time has not been added to its owner's day. */
  running_since: string | null;
  created_at: string;
  /** The server that holds it; null: none does, or there is but one. */
  server: number | null;
  /** Raised by each change of its holder. */
  epoch: number;
}

interface ReceiptsTable {
  environment: string;
  owner: string;
  name: string;
  destroyed_at: string;
  /** The receipt as JSON, as it is answered. */
  body: string;
}

export interface CredentialsTable {
  hash: string;
  /** Never null but while it is migrated. */
  id: string;
  kind: CredentialKind;
  owner: string;
  name: string | null;
  /** A list of scopes, as JSON. */
  scopes: string | null;
  device: string | null;
  address: string | null;
  last_used_at: string | null;
  created_at: string;
  expires_at: string | null;
}

export interface InvitationsTable {
  hash: string;
  id: string;
  role: Role;
  uses_left: number;
  created_by: string;
  created_at: string;
  expires_at: string;
}

export interface IdentitiesTable {
  id: string;
  issuer: string;
  subject: string;
  account: string;
  name: string | null;
  created_at: string;
  last_used_at: string | null;
}

export interface NetworksTable {
  id: string;
  owner: string;
  name: string;
  created_at: string;
}

export interface SharesTable {
  id: string;
  kind: ShareKind;
  code_hash: string | null;
  environment: string;
  terminal: string;
  role: ShareRole;
  created_by: string;
  created_at: string;
  expires_at: string;
  uses_left: number | null;
  /** 0 or 1, as `scrollback`. */
  without_account: number;
  anonymous_ended_at: string | null;
  scrollback: number;
}

export interface ShareGrantsTable {
  id: string;
  share: string;
  account: string | null;
  browser: string | null;
  name: string | null;
  granted: ShareRole;
  asked: ShareRole;
  created_at: string;
  left_at: string | null;
  removed_at: string | null;
}

interface AdminActsTable {
  id: string;
  kind: AdminAct["kind"];
  at: string;
  owner: string;
  admin_name: string;
  /** Null of a transfer, which outlives it. */
  environment: string | null;
  environment_name: string;
  recipient_name: string | null;
}

/** Null: no limit. */
export interface QuotaColumns {
  environments: number | null;
  running: number | null;
  memory_mib: number | null;
  cpus: number | null;
  disk_mib: number | null;
  recordings_mib: number | null;
  hours_per_day: number | null;
}

interface RoleQuotasTable extends QuotaColumns {
  role: Role;
}

interface AccountQuotasTable extends QuotaColumns {
  account: string;
}

interface RunningDaysTable {
  account: string;
  /** `2026-11-29`, of UTC. */
  day: string;
  seconds: number;
}

interface MachinePinsTable {
  machine: string;
  fingerprint: string;
}

interface ServersTable {
  number: number;
  address: string;
  /** By the database's clock, ms since the epoch. */
  seen_at: number;
}

interface PoolMachinesTable {
  machine: string;
  server: number;
}

export interface RecordingsTable {
  id: string;
  /** Null: it is gone, and its chunks are to be removed. */
  environment: string | null;
  terminal: string;
  /** 0 or 1, as `is_full`. */
  is_enabled: number;
  started_at: string;
  created_unix_ms: number;
  bytes: number;
  /** How far it has come; null: nothing is written yet. */
  output_offset: string | null;
  elapsed_ms: number;
  is_full: number;
}

interface RecordingChunksTable {
  recording: string;
  /** Of its first byte. */
  position: number;
  bytes: Uint8Array;
}

interface KeptScreensTable {
  environment: string;
  terminal: string;
  created_unix_ms: number;
  output_offset: string;
  bytes: Uint8Array;
}

interface ConsolesTable {
  environment: string;
  bytes: Uint8Array;
}

interface AttemptsTable {
  /** A hash. */
  key: string;
  count: number;
  /** Ms since the epoch. */
  ends_at: number;
}

interface TemplatesTable {
  key: string;
  recipe: string;
}

export interface PreviewGrantsTable {
  hash: string;
  id: string;
  kind: "session" | "link";
  environment: string;
  port: number;
  credential: string | null;
  created_at: string;
  expires_at: string;
}

interface IdempotencyTable {
  owner: string;
  key: string;
  fingerprint: string;
  claimed_at: string;
  /** Null while the request is under way. */
  status: number | null;
  body: string | null;
}

/** Triggers keep it append-only: migrations/0011-audit.ts. */
export interface AuditTable {
  id: string;
  at: string;
  action: AuditAction;
  outcome: AuditOutcome;
  code: string | null;
  account: string | null;
  account_name: string | null;
  via: AuditVia;
  credential: string | null;
  address: string | null;
  environment: string | null;
  environment_name: string | null;
  target: string | null;
  beginning: string | null;
  count: number;
  /** As JSON: it is shown, and nothing is looked for in it. */
  detail: string;
}

interface AuditRetentionTable {
  one: number;
  /** Entries of before this time may be deleted. */
  deletable_before: string;
}
