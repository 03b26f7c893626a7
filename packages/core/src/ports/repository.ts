import type {
  AccountId,
  BootStep,
  EnvironmentId,
  EnvironmentState,
  MachineId,
  NetworkId,
  NetworkPolicy,
  Operation,
  OwnerId,
  QuotaLimits,
  QuotaUse,
  Receipt,
  ResourceLimits,
  Role,
  Size,
} from "@microterm/protocol";
import type { Actor, Reader, SYSTEM } from "../access/actor.ts";
import type { Spending } from "../quotas/room.ts";
import type { Fleet } from "./fleet.ts";
import type {
  AccountRepository,
  CredentialRepository,
  InvitationRepository,
} from "./repositories/account-repository.ts";
import type { AdminActRepository, AuditRepository } from "./repositories/audit-repository.ts";
import type { IdentityRepository } from "./repositories/identity-repository.ts";
import type {
  AttemptRepository,
  ConsoleRepository,
  KeptScreenRepository,
  RecordingRepository,
} from "./repositories/kept-repository.ts";
import type { ShareRepository } from "./repositories/share-repository.ts";

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
  /** While it is `running`: since when its time has not been counted for its owner's day. Null where it is not known yet. */
  readonly runningSince: string | null;
  readonly createdAt: string;
  /** The server of a fleet that holds it. Null: none does, as it is at rest or its holder is gone, or there is no fleet. */
  readonly server: number | null;
  /** Raised by each change of its holder. */
  readonly epoch: number;
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
  /** Of one that becomes `running`. */
  readonly runningSince?: string;
  /** Of one that is `running` no more: its time until then is counted for its owner's day. Absent: nobody knows when it ended. */
  readonly ranUntil?: string;
}

/** A key that is absent stays as it is; null: never. */
export type EnvironmentTimes = Partial<Pick<EnvironmentRow, "idleTimeoutSeconds" | "expiresAt">>;

/** What a row may be known by. */
export type EnvironmentFacts = Omit<EnvironmentPatch, "reason" | "runningSince" | "ranUntil"> & EnvironmentTimes;

/** What a caller knows of an environment that it changes. The change is made where that is so still, and nothing is being done to it. */
export type KnownState = Pick<EnvironmentRow, "state" | "machineId">;

/**
 * Environments, and the receipts of those that are gone.
 *
 * Every change of state is a conditional update (`… where state in (from)`), so that two servers, or two requests,
 * never act on one environment: the one whose `transition` resolves to a row has the right to act; the other gets null.
 */
export interface EnvironmentRepository {
  /**
   * One that is being created. Rejects with `NAME_TAKEN` when the owner has an environment of that name, and with `QUOTA_EXCEEDED` where its
   * owner's quota has no room: of many that are put in at once, only so many are as fit.
   */
  insert(row: EnvironmentRow): Promise<void>;
  /** Of the reader's own; of any owner for SYSTEM, and for an admin, of whom `authorize` has to be asked then. */
  get(id: EnvironmentId, by: Reader): Promise<EnvironmentRow | null>;
  /** Among the actor's own, by exact name, or by a unique id prefix of at least 4 characters; an exact name wins. Null: none, or several. */
  find(reference: string, by: Actor): Promise<EnvironmentRow | null>;
  /** The reader's own; all for SYSTEM. */
  list(by: Reader): Promise<readonly EnvironmentRow[]>;
  /** The actor's own. */
  count(by: Actor): Promise<number>;
  /** Those with an idle time-out or a time to live, of any owner, and those of `owners` that run. */
  listTimed(owners: readonly OwnerId[]): Promise<readonly EnvironmentRow[]>;
  /**
   * `only` names what else must be so now: what the state alone does not tell apart. In a fleet it is this server's from then on, or nobody's where
   * it is at rest, and null where a peer holds it; with `heldBy` it is that peer's and stays so: the row says what the peer shall do.
   */
  transition(
    id: EnvironmentId,
    from: readonly EnvironmentState[],
    to: EnvironmentState,
    patch?: EnvironmentPatch,
    only?: EnvironmentFacts & { readonly heldBy?: number },
  ): Promise<EnvironmentRow | null>;
  /** A transition to `creating`. Rejects with `QUOTA_EXCEEDED` where its owner's quota has no room for one more that runs, at the time `at`. */
  begin(
    id: EnvironmentId,
    from: readonly EnvironmentState[],
    patch: EnvironmentPatch,
    at: string,
  ): Promise<EnvironmentRow | null>;
  /**
   * Gives it to another account, which is there: it is in no shared network then, and what opens its previews is gone. Null when it is not as
   * `only` says, or not `from`'s. Rejects with `NAME_TAKEN`, and with `QUOTA_EXCEEDED` but where it `isForced`.
   */
  transfer(id: EnvironmentId, transfer: Transfer): Promise<EnvironmentRow | null>;
  /** Changes when it ends by itself, in whatever state it is, and nothing else. Null when it is being destroyed, or gone. */
  setTimes(id: EnvironmentId, times: EnvironmentTimes): Promise<EnvironmentRow | null>;
  /**
   * Notes what its owner has chosen; what is absent stays as it is. Null when it is not as `only` says. Without `only`, to undo a
   * change that failed, it is done in whatever state it is; null when it is gone.
   */
  setLimits(id: EnvironmentId, limits: Partial<LimitChoices>, only?: KnownState): Promise<EnvironmentRow | null>;
  /**
   * Changes its policy, in whatever state it is, and nothing else. Null when it is being destroyed, gone, or has no interface, and when a peer
   * holds it, whose machine would not follow.
   */
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
  /** Among the reader's own, and all for SYSTEM: by id, or by name: then of the one destroyed last. */
  receipt(reference: string, by: Reader): Promise<Receipt | null>;
}

export interface Transfer {
  readonly from: OwnerId;
  readonly to: OwnerId;
  readonly name: string;
  /** When. */
  readonly at: string;
  readonly isForced: boolean;
  readonly only: KnownState;
}

/** A quota, and whether it is the account's own or its role's. */
export interface AccountQuotaRow {
  readonly limits: QuotaLimits;
  readonly isOwn: boolean;
}

/** What storage knows of an account's use: recordings may be files. */
export type StoredUse = Omit<QuotaUse, "recordingsMib">;

/** An account with environments that run, for those who end them. */
export interface RunningAccount {
  readonly account: AccountId;
  /** Null: no limit. */
  readonly hoursPerDay: number | null;
  /** Of this day, of all its environments together, ms. */
  readonly usedMs: number;
  readonly running: number;
}

/**
 * What accounts may have, and what they have. What they take is checked where it is taken, in `insert`, `begin` and `transfer` of
 * environments, each of which waits for the others of its account.
 */
export interface QuotaRepository {
  roles(): Promise<Readonly<Record<Role, QuotaLimits>>>;
  setRole(role: Role, limits: QuotaLimits): Promise<void>;
  /** Null: there is no such account. */
  of(account: AccountId): Promise<AccountQuotaRow | null>;
  /** Null: what its role has. */
  setAccount(account: AccountId, limits: QuotaLimits | null): Promise<void>;
  use(account: AccountId, now: string): Promise<StoredUse>;
  /** Rejects with `QUOTA_EXCEEDED` where there is no room now. A look ahead, that keeps nothing free. */
  assertRoom(account: AccountId, asked: Spending, now: string): Promise<void>;
  runningAccounts(now: string): Promise<readonly RunningAccount[]>;
  /** Counts the time of all that run, up to now, so that what ends unseen has lost little of it. Days that are over are forgotten. */
  countRunning(now: string): Promise<void>;
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

/**
 * Whom a server believes to be a machine's agent, where it is reached over a network: the SHA-256 of its certificate, in hex. Kept here, as
 * others may change what stands beside the machine.
 */
export interface MachinePins {
  /** Before the machine is made. Safe to repeat; the last one counts. */
  set(machineId: MachineId, fingerprint: string): Promise<void>;
  get(machineId: MachineId): Promise<string | null>;
  /** Of all machines that have one, whether they came to be or not. */
  list(): Promise<readonly MachineId[]>;
  /** Once nothing of the machine is left. Safe to repeat. */
  remove(machineId: MachineId): Promise<void>;
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
  /**
   * False where the environment, or the session, is not there any more, or they are not of one account. Of a link: false where the environment is
   * not `by`'s any more; rejects with `TOO_MANY` where it has `most` unexpired ones.
   */
  insert(grant: PreviewGrant, link?: { readonly by: OwnerId; readonly most: number }): Promise<boolean>;
  /** Unexpired only, and of an environment whose owner is neither disabled nor a visitor. */
  find(hash: string, now: string): Promise<PreviewGrant | null>;
  /** Of all grants for what an account owns. */
  hashesOf(owner: OwnerId): Promise<readonly string[]>;
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
  /** For who has been let at an environment that is in it. */
  get(id: NetworkId, by: typeof SYSTEM): Promise<NetworkRow | null>;
  /** Among the actor's own, by name, or by id. */
  find(reference: string, by: Actor): Promise<NetworkRow | null>;
  /** The actor's own, by name. */
  list(by: Actor): Promise<readonly NetworkRow[]>;
  /** False while an environment is in it, and when it is gone already. */
  remove(id: NetworkId): Promise<boolean>;
}

/** What is stored, by its kinds. */
export interface Repositories {
  readonly accounts: AccountRepository;
  readonly adminActs: AdminActRepository;
  readonly audit: AuditRepository;
  readonly environments: EnvironmentRepository;
  readonly credentials: CredentialRepository;
  readonly invitations: InvitationRepository;
  readonly identities: IdentityRepository;
  readonly idempotency: IdempotencyRepository;
  readonly templates: TemplateRepository;
  readonly machinePins: MachinePins;
  readonly previews: PreviewGrantRepository;
  readonly networks: NetworkRepository;
  readonly shares: ShareRepository;
  readonly quotas: QuotaRepository;
  /** Of a fleet, as the three below; a server without one keeps these things itself. */
  readonly recordings: RecordingRepository;
  readonly keptScreens: KeptScreenRepository;
  readonly consoles: ConsoleRepository;
  readonly attempts: AttemptRepository;
}

export interface Storage extends Repositories {
  readonly fleet: Fleet;
  /**
   * Changes that are made together or, where `run` rejects, not at all. `run` awaits nothing but the repositories that it is given: others
   * wait for its end, the storage's own repositories among them.
   */
  transaction<T>(run: (repositories: Repositories) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
