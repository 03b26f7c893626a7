import type {
  ExecFailure,
  ExecRequest,
  ExtractedTar,
  FileEntry,
  ListeningPorts,
  TerminalExit,
  TerminalId,
} from "@microterm/protocol";
import type { Abortable } from "./abortable.ts";
import type { GuestInterface } from "./network.ts";

/**
 * The agent in one guest, spoken to over the guest channel (docs/reference/agent-protocol.md). The guest is hostile:
 * an implementation bounds and checks every byte and rejects with `GUEST_PROTOCOL` where the agent breaks the
 * protocol, `GUEST_UNREACHABLE` where it does not answer by the call's deadline.
 */
export interface GuestAgent {
  readonly hello: AgentHello;
  /** Resolves when the connection has ended, for whatever reason. Never rejects. */
  readonly closed: Promise<void>;

  /**
   * Makes the guest itself: randomness, clock, machine-id, boot_id, hostname. Before any tenant's program runs. A sealed
   * guest serves from then on, and refuses service for good when a step fails. Resolves with its new boot_id.
   *
   * An agent that cannot set up an interface is given none: this, `claim`, `wake` and `setNetwork` reject with `UNSUPPORTED`
   * instead of leaving it out. Agents of protocol 4 can, in a guest that has a device for it.
   */
  identify(identity: GuestIdentity, options?: Abortable): Promise<{ readonly bootId: string }>;
  /**
   * Before a template is saved: ends every program and terminal, syncs, and from then on answers `hello` and `identify`
   * alone. Only by an agent of protocol 2; `UNSUPPORTED` otherwise.
   */
  seal(options?: Abortable): Promise<void>;
  /** After a pause: sets the clock, stirs the random pool and sets the interface up again. Rejects when a step fails. Protocol 2. */
  wake(wake: GuestWake, options?: Abortable): Promise<void>;
  /** When a guest of the pool is claimed: names the environment for later shells. Protocol 2. */
  claim(claim: GuestClaim, options?: Abortable): Promise<void>;
  /** Gives a running guest another network. Protocol 4. */
  setNetwork(network: GuestNetwork, options?: Abortable): Promise<void>;

  /**
   * Answers the names that the guest's programs ask for, at most 32 at once; `answer` never rejects. One such stream at a time:
   * a new one ends the one before, and without one every name fails at once. Resolves when the agent ends it or `signal`
   * aborts, rejects when it breaks. Protocol 4; `UNSUPPORTED` otherwise.
   */
  names(answer: (query: NameQuery) => Promise<Uint8Array>, options?: Abortable): Promise<void>;

  terminals(options?: Abortable): Promise<readonly GuestTerminal[]>;
  /** Rejects with `TOO_MANY` past the guest's limit. */
  openTerminal(spec: TerminalSpec, options?: Abortable): Promise<GuestTerminal>;
  /** Safe to repeat. */
  closeTerminal(id: TerminalId, options?: Abortable): Promise<void>;
  /**
   * Reads a terminal's output from an offset and writes its input. Events come in order through `events`; the
   * stream's flow control holds the guest back while paused. Rejects with `TERMINAL_NOT_FOUND`, or with
   * `BAD_REQUEST` and details `{start, end}` when `from` is past the end.
   */
  attach(id: TerminalId, options: AttachOptions): Promise<TerminalStream>;

  /**
   * Types into a terminal, with acknowledgements of what its PTY has taken. One such stream at a time: a new one ends
   * the one before, of which nothing more is typed then. Protocol 3; before, input goes by `attach` and it is never told what
   * became of it.
   */
  type(id: TerminalId, events: InputEvents, options?: Abortable): Promise<InputStream>;

  /** Runs a program; events come through `events`. Resolves as soon as the stream is open. */
  exec(request: ExecRequest, events: ExecEvents, options?: Abortable): Promise<ExecStream>;

  stat(path: string, options?: Abortable): Promise<FileEntry>;
  list(
    path: string,
    options?: Abortable,
  ): Promise<{ readonly entries: readonly FileEntry[]; readonly truncated: boolean }>;
  read(
    path: string,
    options?: Abortable,
  ): Promise<{ readonly size: number | null; readonly body: AsyncIterable<Uint8Array> }>;
  write(
    path: string,
    body: AsyncIterable<Uint8Array>,
    options?: Abortable & { readonly mode?: number; readonly modifiedUnixMs?: number },
  ): Promise<FileEntry>;
  makeDirectory(path: string, options?: Abortable): Promise<FileEntry>;
  removeFile(path: string, options?: Abortable & { readonly recursive?: boolean }): Promise<void>;
  readTar(path: string, options?: Abortable): Promise<AsyncIterable<Uint8Array>>;
  /** What could not be made is left out and named; a tar that is malformed or leads out of `path` is refused. */
  writeTar(path: string, body: AsyncIterable<Uint8Array>, options?: Abortable): Promise<ExtractedTar>;

  /**
   * What the guest's programs listen on where a connection to its 127.0.0.1 or ::1 arrives: at once, and at each change. Protocol 4;
   * `UNSUPPORTED` otherwise.
   */
  watchPorts(events: PortEvents, options?: Abortable): Promise<{ close(): void }>;
  /**
   * Connects to a port of the guest's 127.0.0.1 or ::1. Resolves once the program's side has accepted; events begin then. Rejects with
   * `PORT_REFUSED` where nothing listens, `TOO_MANY` past 64 connections or where only what terminals need is left.
   * Protocol 4; `UNSUPPORTED` otherwise.
   */
  connect(port: number, events: ConnectionEvents, options?: Abortable): Promise<GuestConnection>;

  /** A sign of life that costs next to nothing; has no deadline of its own. Rejects when the connection ends. */
  ping(): Promise<void>;
  metrics(options?: Abortable): Promise<GuestMetrics>;
  /** Asks the guest to power off; the machine's `ended` tells when it has. */
  powerOff(options?: Abortable): Promise<void>;
  /** Ends the connection; every call under way rejects. */
  close(): void;
}

export interface AgentHello {
  readonly protocol: number;
  readonly agent: string;
  readonly bootId: string;
  /** It waits for `identify`. */
  readonly isSealed: boolean;
}

/** What a guest is told of its network: what it has from now on. Null: no interface but its loopback. */
export interface GuestNetwork {
  readonly interface: GuestInterface | null;
}

/** A DNS message (RFC 1035) of a hostile guest: 12 to 1,232 bytes, whose answer has at most 4,096. */
export interface NameQuery {
  readonly message: Uint8Array;
  /** How the program asked. */
  readonly transport: "udp" | "tcp";
}

export interface GuestClaim extends GuestNetwork {
  /** The environment's name. */
  readonly environment: string;
}

export interface GuestWake extends GuestNetwork {
  readonly timeUnixMs: number;
  /** 64 random bytes from the host. */
  readonly seed: Uint8Array;
}

export interface GuestIdentity extends GuestNetwork {
  readonly hostname: string;
  /** 32 hexadecimal digits, machine-id(5). */
  readonly machineId: string;
  readonly timeUnixMs: number;
  /** 64 random bytes from the host for the kernel's pool. */
  readonly seed: Uint8Array;
  /** The environment's name, `MICROTERM_NAME` of later shells. */
  readonly environment: string;
}

export interface TerminalSpec {
  readonly id: TerminalId;
  readonly cols: number;
  readonly rows: number;
  readonly command?: readonly string[];
  readonly cwd?: string;
}

export interface GuestTerminal {
  readonly id: TerminalId;
  readonly cols: number;
  readonly rows: number;
  readonly startOffset: bigint;
  readonly endOffset: bigint;
  readonly createdUnixMs: number;
  readonly exit: TerminalExit | null;
}

export interface AttachOptions extends Abortable {
  /** Undefined: from the oldest byte in the ring. */
  readonly from?: bigint;
  readonly events: TerminalEvents;
}

/** Called in order; offsets are checked to be contiguous by the implementation. */
export interface TerminalEvents {
  /** `bytes` is the receiver's to keep. */
  output(offset: bigint, bytes: Uint8Array): void;
  gap(from: bigint, to: bigint): void;
  resized(offset: bigint, cols: number, rows: number): void;
  exited(offset: bigint, exit: TerminalExit): void;
  /** Last call of all; `error` when it did not end by an exit or by `close`. */
  closed(error?: Error): void;
}

export interface TerminalStream {
  /** Never blocks; returns false once 256 KiB of input wait for the guest: the caller then stops reading its client until `drained`. */
  write(bytes: Uint8Array): boolean;
  readonly drained: () => Promise<void>;
  resize(cols: number, rows: number): void;
  /** While paused no event is delivered and at most one stream window (64 KiB) is held. */
  pause(): void;
  resume(): void;
  close(): void;
}

export interface InputEvents {
  /** So many bytes have been taken since the terminal began. Called first of all, before anything of this stream is. */
  acknowledged(count: bigint): void;
  /** Last call of all, unless `close` was called. */
  closed(error?: Error): void;
}

/** As of a {@link TerminalStream}. */
export type InputStream = Pick<TerminalStream, "write" | "drained" | "close">;

export interface ExecEvents {
  started(pid: number): void;
  stdout(bytes: Uint8Array): void;
  stderr(bytes: Uint8Array): void;
  exited(exit: TerminalExit): void;
  failed(failure: ExecFailure): void;
  closed(error?: Error): void;
}

export interface ExecStream extends TerminalStream {
  endInput(): void;
  signal(number: number): void;
}

export interface PortEvents {
  ports(list: ListeningPorts): void;
  /** Last call of all, unless `close` was called. */
  closed(error?: Error): void;
}

export interface ConnectionEvents {
  /** `bytes` is the receiver's to keep. */
  data(bytes: Uint8Array): void;
  /** The program sends no more. */
  ended(): void;
  /** Last call of all; `error` when not both sides had ended, nor `close` was called. */
  closed(error?: Error): void;
}

/** A TCP connection in a guest. Each side ends by itself. */
export interface GuestConnection extends Pick<TerminalStream, "write" | "drained" | "pause" | "resume"> {
  /** This side sends no more. Resolves when all that was written is on its way. */
  end(): Promise<void>;
  /** Resets it, unless both sides have ended. */
  close(): void;
}

export interface GuestMetrics {
  readonly uptimeMs: number;
  readonly cpu: { readonly userMs: number; readonly systemMs: number; readonly idleMs: number };
  readonly memory: { readonly totalKib: number; readonly availableKib: number };
  readonly disk: { readonly totalKib: number; readonly freeKib: number };
  readonly processes: number;
  readonly load1: number;
}
