import type { Readable } from "node:stream";
import { assertOne, type RecordingRoom, type RecordingUse, type TerminalPlace } from "@microterm/core";
import type { EnvironmentId, Recording } from "@microterm/protocol";
import { PlatformError } from "@microterm/protocol";
import type { TerminalHub } from "../hub/hub.ts";
import { MAX_RECORDING_BYTES } from "./recorder.ts";
import type { RecordingStore } from "./recording-store.ts";

/** Of one environment, all its recordings together; one that is on counts as what it may become. */
const MAX_ENVIRONMENT_BYTES = 8 * MAX_RECORDING_BYTES;
const MIB = 1024 * 1024;

/** The recordings of all terminals. */
export interface Recordings {
  status(environment: EnvironmentId, terminal: string, hub: TerminalHub | null): Promise<Recording>;
  /**
   * Rejects with `TOO_MANY` where the environment's recordings have no room for another, and with `QUOTA_EXCEEDED` where those of its owner
   * have none: of several that begin at once, only so many do as fit.
   */
  enable(environment: EnvironmentId, terminal: string, hub: TerminalHub): Promise<void>;
  /** What the recordings of these environments take, MiB; one that is on counts as what it may become. */
  totalMib(environments: readonly EnvironmentId[]): Promise<number>;
  disable(environment: EnvironmentId, terminal: string, hub: TerminalHub | null): Promise<void>;
  /** As far as it has come. Rejects with `NOT_FOUND` when there is none. */
  content(environment: EnvironmentId, terminal: string): Promise<{ readonly size: number; stream(): Readable }>;
  remove(environment: EnvironmentId, terminal: string, hub: TerminalHub | null): Promise<void>;
  /** Goes on recording where the server before left off, if it was on. */
  resume(environment: EnvironmentId, terminal: string, hub: TerminalHub): Promise<void>;
}

/** What the owner of an environment may have of recordings. */
export type FindRoom = (environment: EnvironmentId) => Promise<RecordingRoom>;

export function createRecordings(store: RecordingStore, findRoom: FindRoom): Recordings {
  const missing = (terminal: string) => new PlatformError("NOT_FOUND", `Terminal '${terminal}' was not recorded.`);

  /** What changes a terminal's recording, one after the other: of two that write one recording, each would write half of it. */
  const turns = new Map<string, Promise<void>>();
  function inTurn(
    environment: EnvironmentId,
    terminal: string,
    run: (place: TerminalPlace) => Promise<void>,
  ): Promise<void> {
    const key = `${environment}/${terminal}`;
    const own = (turns.get(key) ?? Promise.resolve()).then(() => run({ environment, terminal }));
    const ended = own
      .catch(() => undefined)
      .then(() => {
        if (turns.get(key) === ended) turns.delete(key);
      });
    turns.set(key, ended);
    return own;
  }

  return {
    async status(environment, terminal, hub) {
      const state = await store.state({ environment, terminal });
      const recorder = hub?.recorder ?? null;
      return {
        enabled: state?.isEnabled ?? false,
        startedAt: state?.startedAt ?? null,
        bytes: recorder?.bytes ?? state?.bytes ?? 0,
        limitBytes: MAX_RECORDING_BYTES,
        isFull: recorder?.isFull ?? state?.isFull ?? false,
      };
    },
    enable: (environment, terminal, hub) =>
      inTurn(environment, terminal, async (place) => {
        const { createdUnixMs } = hub;
        const { limitMib, environments } = await findRoom(environment);
        const fit = (uses: readonly RecordingUse[]): void => {
          const others = uses.filter((use) => use.environment !== environment || use.terminal !== terminal);
          assertRoom(others.filter((use) => use.environment === environment));
          assertOne("recordingsMib", limitMib, { used: mibOf(others), asked: MAX_RECORDING_BYTES / MIB });
        };
        const startedAt = await store.begin(place, { createdUnixMs, environments, fit });
        await hub.record(store.of(place), new Date(startedAt), false);
      }),
    totalMib: async (environments) => mibOf(await store.uses(environments)),
    resume: (environment, terminal, hub) =>
      inTurn(environment, terminal, async (place) => {
        const state = await store.state(place);
        if (state?.isEnabled !== true || state.createdUnixMs !== hub.createdUnixMs || state.startedAt === null) return;
        await hub.record(store.of(place), new Date(state.startedAt), true);
      }),
    disable: (environment, terminal, hub) =>
      inTurn(environment, terminal, async (place) => {
        await store.turnOff(place);
        await hub?.stopRecording();
      }),
    async content(environment, terminal) {
      const place = { environment, terminal };
      const size = (await store.state(place))?.bytes ?? 0;
      if (size === 0) throw missing(terminal);
      // What is written in the meantime is left out, so that the length is true.
      return { size, stream: () => store.content(place, size) };
    },
    remove: (environment, terminal, hub) =>
      inTurn(environment, terminal, async (place) => {
        // Where that cannot be done now, it goes on.
        await store.turnOff(place);
        await hub?.stopRecording();
        await store.remove(place);
      }),
  };
}

function assertRoom(uses: readonly RecordingUse[]): void {
  if (bytesOf(uses) + MAX_RECORDING_BYTES <= MAX_ENVIRONMENT_BYTES) return;
  throw new PlatformError(
    "TOO_MANY",
    `The recordings of this environment may take ${MAX_ENVIRONMENT_BYTES / MIB} MiB, ${MAX_RECORDING_BYTES / MIB} of them each that is on: stop or delete one first.`,
  );
}

const bytesOf = (uses: readonly RecordingUse[]): number =>
  uses.reduce((sum, { isEnabled, bytes }) => sum + (isEnabled ? MAX_RECORDING_BYTES : bytes), 0);

const mibOf = (uses: readonly RecordingUse[]): number => Math.ceil(bytesOf(uses) / MIB);
