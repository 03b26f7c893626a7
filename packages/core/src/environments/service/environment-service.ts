import type {
  AdminAct,
  AdminEnvironment,
  AdminHost,
  AllowRule,
  CreateEnvironment,
  CreateNetwork,
  CreateTerminal,
  Environment,
  EnvironmentId,
  EnvironmentState,
  ForeignTerminal,
  HostStatus,
  NetworkDenial,
  NetworkPolicy,
  NetworkStatus,
  Overcommit,
  OwnerId,
  Receipt,
  SharedNetwork,
  Terminal,
  TerminalId,
  TransferEnvironment,
  UpdateEnvironment,
  Usage,
} from "@microterm/protocol";
import type { Actor } from "../../access/actor.ts";
import type { Action } from "../../access/authorize.ts";
import type { AuditLog } from "../../audit/audit-log.ts";
import type { DriverRegistry } from "../../machines/driver-registry.ts";
import type { Faults } from "../../machines/faults.ts";
import type { EnvironmentLimits } from "../../machines/limits.ts";
import type { Abortable } from "../../ports/abortable.ts";
import type { Clock, Log, Randomness } from "../../ports/clock.ts";
import type { PeerServer } from "../../ports/fleet.ts";
import type { GuestAgent, GuestMetrics } from "../../ports/guest-agent.ts";
import type { NameServer } from "../../ports/name-server.ts";
import type { NetworkProvider } from "../../ports/network.ts";
import type { Observer } from "../../ports/observer.ts";
import type { Storage } from "../../ports/repository.ts";
import type { MachineUsage } from "../../ports/vm-driver.ts";
import type { TransferOfAll } from "../administration/transfer-all.ts";
import type { ChangeListener } from "../state/changes.ts";
import type { BegunGuestAct, GuestAct } from "./guest-acts.ts";

/**
 * Environments as their owners see them.
 *
 *   `reference`  an id, an exact name, or a unique id prefix of at least 4 characters; an exact name wins
 *   `start`      what `create` and `start` leave running in the background; its `step` says how far it is
 *
 * Every method that takes an actor asks `authorize`: it rejects with `ENVIRONMENT_NOT_FOUND` for what the actor must not
 * know of, such as another owner's environment, and with `FORBIDDEN` for what it may know and not do. The service
 * is crash-only: what a process leaves when it dies, at any point, is repaired by the next one's `recover`.
 */
export interface EnvironmentService {
  /**
   * Compares the rows with what exists on the host: adopts, finishes, resumes or removes. Once, before anything else.
   * Resolves when every row has been decided on; starts that are begun again go on in the background. Rejects when the host cannot
   * be asked (`HOST_DAEMON_UNAVAILABLE`): call it again.
   */
  recover(): Promise<RecoveryReport>;

  /**
   * Resolves with the environment in `creating`; the start goes on in the background and ends in `running` or `failed`.
   *
   * Rejects before anything is made with `NAME_TAKEN`, `HOST_OUT_OF_MEMORY`, `HOST_OUT_OF_CPUS` or `HOST_OUT_OF_DISK`. With `id`, an
   * environment of that id and owner that is there already is the answer: how a repeated request finds its first.
   */
  create(actor: Actor, request: CreateEnvironment, options?: { readonly id?: EnvironmentId }): Promise<Environment>;

  /**
   * Changes when it ends by itself: the idle time-out and the time to live, both counted from now; what it may use, from now and in all
   * later machines; and what it may reach. What is not said stays. Rejects with `ENVIRONMENT_STATE` while it is being destroyed, and for
   * limits while anything is being done to it; with `UNSUPPORTED` where its driver or its host cannot limit that, and for a network policy
   * that cannot be had.
   */
  update(actor: Actor, reference: string, request: UpdateEnvironment): Promise<Environment>;

  list(actor: Actor): Promise<readonly Environment[]>;
  get(actor: Actor, reference: string): Promise<Environment>;
  /** The id a reference stands for, for a caller that is about to do `action` with it. */
  locate(actor: Actor, reference: string, action: Action): Promise<EnvironmentId>;
  /** The same for a client of its terminals, with what it may be there: at most what it asks for. */
  locateTerminal(
    actor: Actor,
    reference: string,
    asked: "owner" | "viewer",
  ): Promise<{ readonly id: EnvironmentId; readonly role: "owner" | "viewer" }>;

  /**
   * `stopped` or `failed` → `creating` over the same disk; a `paused` one is resumed. No effect while `creating` or
   * `running`.
   */
  start(actor: Actor, reference: string): Promise<Environment>;
  /**
   * Powers the guest off, or kills it at the deadline; the disk stays. Resolves at once, with the
   * `operation` `stop` while the state is still `running`. A `paused` one loses its memory and keeps its disk; one that is
   * being paused does so when that has ended. No effect on a `stopped` or `failed` one.
   */
  stop(actor: Actor, reference: string): Promise<Environment>;
  /**
   * `running` → `paused`: saves its memory on the host's disk and ends its machine. Resolves at once, with the
   * `operation` `pause`; when it cannot be saved it goes on, with a notice. Rejects with `UNSUPPORTED` where the driver has no
   * snapshots.
   */
  pause(actor: Actor, reference: string): Promise<Environment>;
  /**
   * `paused` → `creating` → `running`, its programs and terminals where they were. It ends in `failed`, startable, when
   * the snapshot is damaged, and in `paused` again when the host cannot take it now. No effect while `creating` or `running`.
   */
  resume(actor: Actor, reference: string): Promise<Environment>;
  /**
   * Resolves when nothing is left of it. Repeated calls, and calls at the same time, get the same receipt. When it
   * rejects the row stays `destroying`, and the service goes on trying.
   */
  destroy(actor: Actor, reference: string): Promise<Receipt>;
  /** Destroys all that an account has, one after the other. */
  destroyAllOf(actor: Actor, owner: OwnerId): Promise<void>;
  /** Has what an account has and what runs be stopped: for the server itself, once an account is disabled. False: not all of it is stopped yet. Rejects where one of them cannot be stopped, once it has tried all. */
  stopAllOf(owner: OwnerId): Promise<boolean>;

  /** The other server that holds an environment. Null: this one does, or none. */
  holder(id: EnvironmentId): Promise<PeerServer | null>;

  /**
   * Resolves with the environment once its state is one of `states`, or with null once it is gone and `gone` is one of
   * them. Rejects with `ENVIRONMENT_STATE` when it can no longer get there, `WAIT_TIMEOUT`, or the signal's reason.
   */
  wait(actor: Actor, reference: string, options: WaitOptions): Promise<Environment | null>;

  /** The agent of a running environment, which is thereby used, for what is said: `guest.exec` by default. Rejects with `ENVIRONMENT_STATE` or `GUEST_UNREACHABLE`. */
  agent(
    actor: Actor,
    reference: string,
    options?: AgentOptions & { readonly action?: "guest.exec" | "guest.files" },
  ): Promise<GuestAgent>;
  /** The same by id, for the server itself and for a caller that was allowed already: no use of the environment. */
  agentOf(id: EnvironmentId, options?: AgentOptions): Promise<GuestAgent>;

  /**
   * Begins an act in its guest that the audit log has: nothing is done before this has resolved. Rejects like `get`, with `FORBIDDEN`, and where
   * the log cannot be written. The caller says how it ended.
   */
  beginAct(actor: Actor, reference: string, act: GuestAct): Promise<BegunGuestAct>;
  /** The same for one whose end is that of `run`. */
  runAct<T>(actor: Actor, reference: string, act: GuestAct, run: (id: EnvironmentId) => Promise<T>): Promise<T>;

  /** What it uses now, which is no use of it. Rejects like `agent`. */
  metrics(actor: Actor, reference: string, options?: Abortable): Promise<EnvironmentMetrics>;
  /** Of the machines of all running environments together, and how many were counted. */
  totalUsage(): Promise<MachineUsage & { readonly machines: number }>;

  /** An environment was used, for its idle time-out. Cheap enough for every key. */
  noteActivity(id: EnvironmentId): void;
  /** The same from now until what this returns is called: a program that waits is in use. */
  beginUse(id: EnvironmentId): () => void;

  networkStatus(actor: Actor, reference: string): Promise<NetworkStatus>;
  /** What its machine was refused; empty while it has none. Bounded, in no order. */
  networkDenials(actor: Actor, reference: string): Promise<readonly NetworkDenial[]>;
  /** Adds one rule to its policy, which becomes an allowlist where it was `none`. No effect where it is `open`. */
  allowNetwork(actor: Actor, reference: string, rule: AllowRule): Promise<Environment>;
  /** Takes one rule out of its allowlist, whatever else is changed there at the same time. No effect where it has no such rule. */
  disallowNetwork(actor: Actor, reference: string, rule: AllowRule): Promise<Environment>;

  /** A network that environments of its owner can share. Rejects with `NAME_TAKEN`, `TOO_MANY`, and `UNSUPPORTED` where there are none. */
  createNetwork(actor: Actor, request: CreateNetwork): Promise<SharedNetwork>;
  listNetworks(actor: Actor): Promise<readonly SharedNetwork[]>;
  /** By name or id. Rejects with `NETWORK_NOT_FOUND`, and with `NETWORK_IN_USE` while it has members. */
  removeNetwork(actor: Actor, reference: string): Promise<void>;
  /**
   * Has an environment be in a shared network, in the place of the one that it was in. A running one gets another address, and keeps its
   * terminals; connections from its former address end. Rejects with `ENVIRONMENT_STATE` while anything is being done to it, `TOO_MANY`
   * past the network's most members, and `UNSUPPORTED` where it has no interface.
   */
  joinNetwork(actor: Actor, reference: string, network: string): Promise<Environment>;
  /** Has it be in its own network alone. No effect where it is. Rejects like `joinNetwork`. */
  leaveNetwork(actor: Actor, reference: string): Promise<Environment>;

  /** For admins: those of all owners, the oldest first, and what each takes. */
  listAll(actor: Actor): Promise<readonly AdminEnvironment[]>;
  /**
   * Gives one to another account, with its disk, its terminals and recordings. It leaves its shared network, and who looked at it is
   * disconnected. Rejects with `ACCOUNT_NOT_FOUND`, `NAME_TAKEN`, `QUOTA_EXCEEDED` (but with `force`), and with `ENVIRONMENT_STATE` while
   * anything is being done to it.
   */
  transfer(actor: Actor, reference: string, request: TransferEnvironment): Promise<Environment>;
  /** For admins: the terminals of one that runs, to be looked into. Rejects like `agent`. */
  foreignTerminals(actor: Actor, id: EnvironmentId): Promise<readonly ForeignTerminal[]>;
  /** What admins did with what is the actor's own: the newest first, at most 100. */
  adminActs(actor: Actor): Promise<readonly AdminAct[]>;
  /**
   * Looks ahead to all that an account has being given to another one, in a transaction of its caller's. The new owner's quota has to have
   * room for all of it together. Rejects with `ACCOUNT_NOT_FOUND`.
   */
  transferAllOf(actor: Actor, from: OwnerId, to: string): Promise<TransferOfAll>;
  /** For admins: what the host has, has promised and uses. */
  hostUse(actor: Actor): Promise<Omit<AdminHost, "load">>;

  count(actor: Actor): Promise<number>;
  /** Each size's template, and the machines that wait to be claimed. From memory. */
  templates(): HostStatus["templates"];
  pool(): HostStatus["pool"];
  /** Images on the host, and how many environments, of any owner, need each. */
  images(): Promise<HostStatus["images"]>;

  /** As the guest says now. Rejects like `agent`. */
  terminals(actor: Actor, reference: string): Promise<readonly Terminal[]>;
  openTerminal(actor: Actor, reference: string, request: CreateTerminal): Promise<Terminal>;
  closeTerminal(actor: Actor, reference: string, terminal: TerminalId): Promise<void>;

  /** The serial console's tail, at most 64 KiB of a hostile guest's bytes; of the last machine when there is none now. */
  console(actor: Actor, reference: string): Promise<Uint8Array>;

  /** Notifies of every change of every owner's environments. Returns what ends it. */
  subscribe(listener: ChangeListener): () => void;

  /**
   * Disconnects from every machine and leaves it running, but for one that a template was being made of, which is removed. Starts under way
   * are left for the next `recover`.
   */
  close(): Promise<void>;
}

export type WaitState = EnvironmentState | "gone";

export interface WaitOptions extends Abortable {
  readonly states: readonly WaitState[];
  readonly timeoutMs: number;
}

export interface AgentOptions extends Abortable {
  /** Until connected; 5,000 by default. */
  readonly timeoutMs?: number;
}

export interface EnvironmentMetrics {
  /** By its own account. */
  readonly guest: GuestMetrics;
  /** What its machine takes of its host; null where its driver does not count that. */
  readonly host: MachineUsage | null;
  readonly limits: Usage["limits"];
}

export interface RecoveryReport {
  readonly adopted: number;
  readonly resumed: number;
  readonly stopped: number;
  readonly paused: number;
  readonly failed: number;
  readonly destroyed: number;
  readonly machinesRemoved: number;
  readonly disksRemoved: number;
  readonly snapshotsRemoved: number;
}

export interface EnvironmentServiceOptions {
  readonly storage: Storage;
  /** Over the same storage. */
  readonly audit: AuditLog;
  readonly drivers: DriverRegistry;
  readonly network: NetworkProvider;
  /** Null: no guest has names. */
  readonly names?: NameServer | null;
  readonly clock: Clock;
  readonly random: Randomness;
  readonly log: Log;
  readonly observer?: Observer;
  readonly limits?: Partial<EnvironmentLimits>;
  /** `DEFAULT_OVERCOMMIT` by default. */
  readonly overcommit?: Overcommit;
  /** For creates that don't say. Null and 0: never. */
  readonly idleTimeoutSeconds?: number | null;
  readonly ttlSeconds?: number | null;
  /** The same, where the network has it; `none` by default. */
  readonly networkPolicy?: NetworkPolicy;
  /** Builds each size's template in the background, where the driver has snapshots; not by default. */
  readonly templates?: boolean;
  /** Machines of the default size kept ready, where the driver has snapshots; 0 by default. */
  readonly pool?: number;
  readonly faults?: Faults;
}
