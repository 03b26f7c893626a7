import type { EnvironmentId } from "@microterm/protocol";

/** A terminal, by where it is. */
export interface TerminalPlace {
  readonly environment: EnvironmentId;
  readonly terminal: string;
}

/** How far a recording has come: all before it is whole, up to this byte of the terminal's output. */
export interface RecordingMark {
  readonly offset: bigint;
  /** Since the recording began. */
  readonly elapsedMs: number;
  readonly isFull: boolean;
}

/** What is known of a terminal's recording besides its bytes. */
export interface RecordingRow {
  readonly terminal: string;
  /** It is to go on. */
  readonly isEnabled: boolean;
  readonly startedAt: string;
  /** Tells the terminal from another of its name. */
  readonly createdUnixMs: number;
  readonly bytes: number;
  /** Null: nothing is written yet. */
  readonly mark: RecordingMark | null;
}

export interface NewRecording extends TerminalPlace {
  /** Of the bytes that it is about to have, where it is not continued. */
  readonly id: string;
  readonly startedAt: string;
  readonly createdUnixMs: number;
}

/** What counts for quotas. */
export interface RecordingUse extends TerminalPlace {
  readonly isEnabled: boolean;
  readonly bytes: number;
}

/**
 * Recordings of a fleet, in chunks. One goes with its environment: it is found by nobody from then on, and its bytes are removed by `sweep`,
 * a part at a time.
 */
export interface RecordingRepository {
  get(place: TerminalPlace): Promise<RecordingRow | null>;
  /**
   * Notes that it is on: the one that there is of this terminal, or a new one. `fit` is given what there is in `environments` and throws where
   * this one has no room, and then nothing is noted: of several that begin at once for one owner, each waits for the others. Resolves with when
   * it began; null: there is no such environment.
   */
  begin(
    recording: NewRecording,
    environments: readonly EnvironmentId[],
    fit: (uses: readonly RecordingUse[]) => void,
  ): Promise<string | null>;
  /** It is not to go on. */
  turnOff(place: TerminalPlace): Promise<void>;
  /**
   * Adds bytes that begin at `at`, and says how far it has come with them. Safe to repeat. False: it has other bytes there, or is gone.
   */
  append(place: TerminalPlace, at: number, bytes: Uint8Array, mark: RecordingMark): Promise<boolean>;
  /** Some bytes from `from`, which is 0, or where what was read before has ended. None: there are no more, or it is gone. */
  read(place: TerminalPlace, from: number): Promise<Uint8Array>;
  remove(place: TerminalPlace): Promise<void>;
  uses(environments: readonly EnvironmentId[]): Promise<readonly RecordingUse[]>;
  /** Terminals whose recordings are to go on, in environments that this server holds. */
  enabledHere(): Promise<readonly TerminalPlace[]>;
  /** Removes bytes of recordings that are gone. */
  sweep(): Promise<void>;
}

export interface KeptScreenRow extends TerminalPlace {
  readonly createdUnixMs: number;
  /** Of the terminal's output, the byte after the last that is drawn. */
  readonly offset: bigint;
  readonly bytes: Uint8Array;
}

/** Screens of a fleet's terminals, each one's latest. They go with their environments. */
export interface KeptScreenRepository {
  get(place: TerminalPlace): Promise<KeptScreenRow | null>;
  /** No effect where the environment is gone. */
  put(screen: KeptScreenRow): Promise<void>;
  remove(place: TerminalPlace): Promise<void>;
  /** Removes those of all but these terminals. */
  prune(environment: EnvironmentId, terminals: readonly string[]): Promise<void>;
}

/** The last consoles of machines that are gone, of a fleet. They go with their environments. */
export interface ConsoleRepository {
  get(environment: EnvironmentId): Promise<Uint8Array | null>;
  /** No effect where the environment is gone. */
  put(environment: EnvironmentId, bytes: Uint8Array): Promise<void>;
  remove(environment: EnvironmentId): Promise<void>;
}

/** How often something was tried, of a fleet. A key is a hash: whose attempts they were is not in it. */
export interface AttemptRepository {
  /** Counts one. Resolves with how many there were, with it, since the first of the last `windowMs`. `now`: milliseconds since the epoch. */
  count(key: string, now: number, windowMs: number): Promise<number>;
  /** Takes one back. */
  uncount(key: string, now: number): Promise<void>;
  /** Forgets those whose time is over, and, where more than `most` are left, those that end first. */
  sweep(now: number, most: number): Promise<void>;
}
