import type {
  BootStep,
  EnvironmentId,
  EnvironmentState,
  MachineId,
  NetworkId,
  NetworkPolicy,
  Operation,
  OwnerId,
  Receipt,
  ResourceLimits,
  Size,
} from "@microterm/protocol";

/** One environment as stored. */
export interface EnvironmentRow {
  readonly id: EnvironmentId;
  readonly name: string;
  readonly owner: OwnerId;
  readonly state: EnvironmentState;
  /** What is being done to it, so that the intention survives a restart of the server. A `stop` with a `snapshotId` comes once that snapshot is whole. */
  readonly operation: Operation | null;
  /** How far a start or resume has come. */
  readonly step: BootStep | null;
  /** How often a restarted server has begun its start, or resume, again. */
  readonly interruptions: number;
  /** For a person: shown, and never read. It may carry a guest's own text. */
  readonly reason: string | null;
  readonly driver: string;
  readonly memoryMib: number;
  readonly cpus: number;
  readonly diskMib: number;
  readonly limits: LimitChoices;
  /** Null for a custom size. */
  readonly size: Size | null;
  /** The machine that runs it, or that was being made for it. */
  readonly machineId: MachineId | null;
  /** Its own id, or its first machine's where that came from the pool: the disk was there before the environment. */
  readonly diskId: string;
  /** What its disk is a layer over, for as long as it lives; null where the driver has no images. */
  readonly image: string | null;
  /** As its owner asked for, with rules whose time is over. Null: it has no interface, and never gets one. */
  readonly network: NetworkPolicy | null;
  /** The network that it shares with others; null: it is in its own alone. */
  readonly sharedNetwork: NetworkId | null;
  /** Its saved memory while `paused`, being paused or being resumed; gone once a resumed guest has gone on. */
  readonly snapshotId: string | null;
  /** Null: never. */
  readonly idleTimeoutSeconds: number | null;
  /** Null: never. */
  readonly expiresAt: string | null;
  readonly createdAt: string;
}

/** What its owner has chosen. Null: what goes with its size. */
export type LimitChoices = { readonly [Name in keyof ResourceLimits]: number | null };

/** What a transition may write besides the state. */
export interface EnvironmentPatch {
  readonly operation?: Operation | null;
  readonly step?: BootStep | null;
  readonly interruptions?: number;
  readonly reason?: string | null;
  readonly machineId?: MachineId | null;
  readonly diskId?: string;
  readonly snapshotId?: string | null;
}

/** A key that is absent stays as it is; null: never. */
export type EnvironmentTimes = Partial<Pick<EnvironmentRow, "idleTimeoutSeconds" | "expiresAt">>;

/** What a row may be known by. */
export type EnvironmentFacts = Omit<EnvironmentPatch, "reason"> & EnvironmentTimes;

/** What a caller knows of an environment that it changes. The change is made where that is so still, and nothing is being done to it. */
export type KnownState = Pick<EnvironmentRow, "state" | "machineId">;

/**
 * Environments, and the receipts of those that are gone.
 *
 * Every change of state is a conditional update (`… where state in (from)`), so that two servers, or two requests,
 * never act on one environment: the one whose `transition` resolves to a row has the right to act; the other gets null.
 */
export interface EnvironmentRepository {
  /** Rejects with `NAME_TAKEN` when the owner has an environment of that name. */
  insert(row: EnvironmentRow): Promise<void>;
  /** Of any owner when `owner` is undefined. */
  get(id: EnvironmentId, owner?: OwnerId): Promise<EnvironmentRow | null>;
  /** By exact name, or by a unique id prefix of at least 4 characters; an exact name wins. Null: none, or several. */
  find(reference: string, owner: OwnerId): Promise<EnvironmentRow | null>;
  list(owner?: OwnerId): Promise<readonly EnvironmentRow[]>;
  count(owner: OwnerId): Promise<number>;
  /** Those with an idle time-out or a time to live, of any owner. */
  listTimed(): Promise<readonly EnvironmentRow[]>;
  /** `only` names what else must be so now: what the state alone does not tell apart. */
  transition(
    id: EnvironmentId,
    from: readonly EnvironmentState[],
    to: EnvironmentState,
    patch?: EnvironmentPatch,
    only?: EnvironmentFacts,
  ): Promise<EnvironmentRow | null>;
  /** Changes when it ends by itself, in whatever state it is, and nothing else. Null when it is being destroyed, or gone. */
  setTimes(id: EnvironmentId, times: EnvironmentTimes): Promise<EnvironmentRow | null>;
  /**
   * Notes what its owner has chosen; what is absent stays as it is. Null when it is not as `only` says. Without `only`, to undo a
   * change that failed, it is done in whatever state it is; null when it is gone.
   */
  setLimits(id: EnvironmentId, limits: Partial<LimitChoices>, only?: KnownState): Promise<EnvironmentRow | null>;
  /** Changes its policy, in whatever state it is, and nothing else. Null when it is being destroyed, gone, or has no interface. */
  setNetwork(id: EnvironmentId, network: NetworkPolicy): Promise<EnvironmentRow | null>;
  /**
   * Has it be in a shared network, or in none. Null when it is not as `only` says, when it has no interface, or there is no such network.
   * Rejects with `TOO_MANY` past `most` members.
   */
  setSharedNetwork(
    id: EnvironmentId,
    network: NetworkId | null,
    only: KnownState & { readonly most: number },
  ): Promise<EnvironmentRow | null>;
  /** After a change that failed: back in the network of before, in whatever state it is; in none where that is gone or full meanwhile. */
  undoSharedNetwork(id: EnvironmentId, network: NetworkId | null, most: number): Promise<void>;
  /** Notes the image of one that was made before images were noted. False where it has one. */
  setImage(id: EnvironmentId, image: string): Promise<boolean>;
  /** Changes `step` alone while it is `creating`. False when it is in another state now. */
  enterStep(id: EnvironmentId, step: BootStep): Promise<boolean>;
  /** Deletes a `destroying` row and keeps its receipt for 7 days, in one transaction. No effect when it is gone already. */
  finish(id: EnvironmentId, owner: OwnerId, receipt: Receipt): Promise<void>;
  /** By id, or by name: then of the one destroyed last. */
  receipt(reference: string, owner: OwnerId): Promise<Receipt | null>;
}

/** Whom environments and credentials belong to. Everything else refers to an owner that is here. */
export interface OwnerRepository {
  /** The oldest owner; `candidate` becomes it when there is none yet. */
  ensureFirst(candidate: OwnerId, now: string): Promise<OwnerId>;
  /** Safe to repeat. */
  insert(owner: OwnerId, now: string): Promise<void>;
}

/** Bearer tokens, session cookies and one-time sign-in links. Only SHA-256 hashes of them are stored. */
export interface CredentialRepository {
  insert(credential: Credential): Promise<void>;
  /** Unexpired only. */
  find(hash: string, now: string): Promise<Credential | null>;
  /** Takes a `link` out of use: resolves to it once, to null ever after. */
  spend(hash: string, now: string): Promise<Credential | null>;
  remove(hash: string): Promise<boolean>;
  removeExpired(now: string): Promise<number>;
}

export interface Credential {
  readonly hash: string;
  readonly kind: "token" | "session" | "link";
  readonly owner: OwnerId;
  readonly createdAt: string;
  readonly expiresAt: string | null;
}

/** Answers to requests that carried an Idempotency-Key, kept for 24 hours. */
export interface IdempotencyRepository {
  /**
   * Claims a key for a request's fingerprint. `claimed`: the caller acts and then `complete`s. `done`: the stored
   * answer. `pending`: another request with this key is under way. `mismatch`: the key was used for something else.
   * A claim of more than 60 s that was never completed is its dead process's, and is handed to the next.
   */
  claim(owner: OwnerId, key: string, fingerprint: string, now: string): Promise<IdempotencyClaim>;
  complete(owner: OwnerId, key: string, status: number, body: string): Promise<void>;
  /** Gives up a claim whose request failed before it had any effect. */
  abandon(owner: OwnerId, key: string): Promise<void>;
  removeBefore(time: string): Promise<number>;
}

export type IdempotencyClaim =
  | { readonly outcome: "claimed" | "pending" | "mismatch" }
  | { readonly outcome: "done"; readonly status: number; readonly body: string };

/**
 * What each built template was built by, beside its key: the host names the machine's side, and this the server's. A template without a
 * build version is one of an older server, or one whose making was cut off.
 */
export interface TemplateRepository {
  buildVersionOf(key: string): Promise<string | null>;
  /** Once it is there. Safe to repeat; the last one counts. */
  made(key: string, recipe: string): Promise<void>;
  /** Safe to repeat. */
  forget(key: string): Promise<void>;
}

/** What opens a preview, as a cookie: of a session that has spent a ticket, or of a shared link. Only its hash is stored. */
export interface PreviewGrant {
  readonly hash: string;
  /** By which a link is named. */
  readonly id: string;
  readonly kind: "session" | "link";
  readonly environment: EnvironmentId;
  readonly port: number;
  /** The hash of the session that it ends with; null: it is a link. */
  readonly credential: string | null;
  readonly createdAt: string;
  readonly expiresAt: string;
}

/** A grant goes with its environment, and with its session. */
export interface PreviewGrantRepository {
  /** False where the environment, or the session, is not there any more. */
  insert(grant: PreviewGrant): Promise<boolean>;
  /** Unexpired only. */
  find(hash: string, now: string): Promise<PreviewGrant | null>;
  /** Unexpired ones of kind `link`, in the order in which they were made. */
  links(environment: EnvironmentId, now: string): Promise<readonly PreviewGrant[]>;
  /** Resolves with the hash of what was removed; null: there was none. */
  removeLink(environment: EnvironmentId, id: string): Promise<string | null>;
  removeExpired(now: string): Promise<number>;
}

/** A network that environments of one owner share, as stored. */
export interface NetworkRow {
  readonly id: NetworkId;
  readonly owner: OwnerId;
  readonly name: string;
  readonly createdAt: string;
}

export interface NetworkRepository {
  /**
   * Rejects with `NAME_TAKEN` when the owner has a network of that name, or one whose id it is, so that a reference never means two; with
   * `TOO_MANY` when it has `most` of them.
   */
  insert(row: NetworkRow, most: number): Promise<void>;
  get(id: NetworkId): Promise<NetworkRow | null>;
  /** By name, or by id. */
  find(reference: string, owner: OwnerId): Promise<NetworkRow | null>;
  list(owner: OwnerId): Promise<readonly NetworkRow[]>;
  /** False while an environment is in it, and when it is gone already. */
  remove(id: NetworkId): Promise<boolean>;
}

export interface Storage {
  readonly owners: OwnerRepository;
  readonly environments: EnvironmentRepository;
  readonly credentials: CredentialRepository;
  readonly idempotency: IdempotencyRepository;
  readonly templates: TemplateRepository;
  readonly previews: PreviewGrantRepository;
  readonly networks: NetworkRepository;
  close(): Promise<void>;
}
