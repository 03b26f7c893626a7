import type { BootStep, EnvironmentState, Operation, Size } from "@microterm/protocol";

/**
 * The tables, the same on every database. Times are ISO 8601 in UTC with milliseconds, as text: they sort as they
 * read, and no driver turns them into something else.
 */
export interface Schema {
  owners: OwnersTable;
  environments: EnvironmentsTable;
  receipts: ReceiptsTable;
  credentials: CredentialsTable;
  idempotency: IdempotencyTable;
  templates: TemplatesTable;
  preview_grants: PreviewGrantsTable;
  networks: NetworksTable;
}

interface OwnersTable {
  id: string;
  created_at: string;
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
  created_at: string;
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
  kind: "token" | "session" | "link";
  owner: string;
  created_at: string;
  expires_at: string | null;
}

export interface NetworksTable {
  id: string;
  owner: string;
  name: string;
  created_at: string;
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
