import type { Readable } from "node:stream";
import type { RecordingMark, RecordingUse, TerminalPlace } from "@microterm/core";
import type { EnvironmentId } from "@microterm/protocol";

export interface RecordingState {
  readonly isEnabled: boolean;
  /** Null: this is not known, and the recording is not continued. */
  readonly startedAt: string | null;
  /** Tells the terminal from another of its name. Null: it is not known. */
  readonly createdUnixMs: number | null;
  readonly bytes: number;
  readonly isFull: boolean;
}

/** One terminal's recording, for the recorder. */
export interface StoredRecording {
  /**
   * Where it goes on, and how much there is by then. What was written behind that and not finished is cut off; all, where there is no mark (null):
   * it starts over.
   */
  cutToMark(): Promise<{ readonly mark: RecordingMark | null; readonly bytes: number }>;
  /**
   * `text` ends with the line of its mark. Rejects with `DATABASE_UNAVAILABLE` where it may be tried again, with the same text: it is added once.
   */
  append(text: string, mark: RecordingMark): Promise<void>;
  close(): Promise<void>;
}

export interface Beginning {
  readonly createdUnixMs: number;
  /** Of the same owner. */
  readonly environments: readonly EnvironmentId[];
  /** Is given what these, and its own, have. Throws where there is no room. */
  fit(uses: readonly RecordingUse[]): void;
}

/** The recordings of all terminals: in files (`recording-files.ts`), or where all servers of a fleet find them (`recording-rows.ts`). */
export interface RecordingStore {
  of(place: TerminalPlace): StoredRecording;
  /** Null: there is none. */
  state(place: TerminalPlace): Promise<RecordingState | null>;
  /** Notes that it is on, one beginning after the other. Resolves with since when. */
  begin(place: TerminalPlace, beginning: Beginning): Promise<string>;
  turnOff(place: TerminalPlace): Promise<void>;
  remove(place: TerminalPlace): Promise<void>;
  /** The first `size` bytes, which there are by now. */
  content(place: TerminalPlace, size: number): Readable;
  uses(environments: readonly EnvironmentId[]): Promise<readonly RecordingUse[]>;
  /** Those that are to go on at this server. */
  enabledHere(): Promise<readonly TerminalPlace[]>;
  /** Environments that have any, where they do not go by themselves with what they are of. */
  environments(): readonly string[];
  /** The environment is gone. */
  removeEnvironment(environment: string): Promise<void>;
  /** Removes what nobody can find any more. */
  sweep(): Promise<void>;
}
