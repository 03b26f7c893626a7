import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { assertOne, type RecordingRoom } from "@microterm/core";
import type { EnvironmentId, Recording } from "@microterm/protocol";
import { PlatformError } from "@microterm/protocol";
import type { TerminalHub } from "../hub/hub.ts";
import { MAX_RECORDING_BYTES } from "./recorder.ts";
import { RecordingFile } from "./recording-file.ts";

/** Of one environment, all its recordings together; one that is on counts as what it may become. */
const MAX_ENVIRONMENT_BYTES = 8 * MAX_RECORDING_BYTES;
const MIB = 1024 * 1024;

interface Begun {
  readonly environment: EnvironmentId;
  readonly terminal: string;
}

/** The recordings of all terminals on disk. */
export interface Recordings {
  status(environment: EnvironmentId, terminal: string, hub: TerminalHub | null): Promise<Recording>;
  /**
   * Rejects with `TOO_MANY` where the environment's recordings have no room for another, and with `QUOTA_EXCEEDED` where those of its owner
   * have none: of several that begin at once, only so many do as fit.
   */
  enable(environment: EnvironmentId, terminal: string, hub: TerminalHub): Promise<void>;
  /** What the recordings of these environments take, MiB; one that is on counts as what it may become. */
  totalMib(environments: readonly string[]): Promise<number>;
  /** Rejects with `NOT_FOUND` when there is none. */
  disable(environment: EnvironmentId, terminal: string, hub: TerminalHub | null): Promise<void>;
  /** The file. Rejects with `NOT_FOUND` when there is none. */
  content(environment: EnvironmentId, terminal: string): Promise<string>;
  remove(environment: EnvironmentId, terminal: string, hub: TerminalHub | null): Promise<void>;
  /** Goes on recording where the server before left off, if it was on. */
  resume(environment: EnvironmentId, terminal: string, hub: TerminalHub): Promise<void>;
  /** Terminals of an environment whose recording is to go on. */
  enabled(environment: string): readonly string[];
  /** Environments that have any. */
  environments(): readonly string[];
  removeEnvironmentFiles(environment: string): void;
}

/** What the owner of an environment may have of recordings. */
export type FindRoom = (environment: EnvironmentId) => Promise<RecordingRoom>;

export function createRecordings(folder: string, findRoom: FindRoom): Recordings {
  const root = join(folder, "recordings");
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const fileOf = (environment: string, terminal: string) => new RecordingFile(join(root, environment, terminal));
  const missing = (terminal: string) => new PlatformError("NOT_FOUND", `Terminal '${terminal}' was not recorded.`);

  /** What changes a terminal's recording, one after the other: of two that write one file, each would write half of it. */
  const turns = new Map<string, Promise<void>>();
  function inTurn(environment: string, terminal: string, run: () => Promise<void>): Promise<void> {
    const key = `${environment}/${terminal}`;
    const own = (turns.get(key) ?? Promise.resolve()).then(run);
    const ended = own
      .catch(() => undefined)
      .then(() => {
        if (turns.get(key) === ended) turns.delete(key);
      });
    turns.set(key, ended);
    return own;
  }

  const names = (path: string): readonly string[] => {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  };

  /** One beginning at a time: of two, each would be given the last room. */
  let begins: Promise<unknown> = Promise.resolve();
  function inOrder<T>(run: () => Promise<T>): Promise<T> {
    const own = begins.then(run);
    begins = own.catch(() => undefined);
    return own;
  }

  /** Of an environment's terminals, but for `without`. */
  async function bytesOf(environment: string, without: string | null): Promise<number> {
    const all = [...new Set(names(join(root, environment)).map((name) => name.slice(0, name.lastIndexOf("."))))];
    const sizes = all
      .filter((terminal) => terminal !== without)
      .map(async (terminal) => {
        const file = fileOf(environment, terminal);
        return file.note?.enabled === true ? MAX_RECORDING_BYTES : file.size();
      });
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }

  async function totalMib(environments: readonly string[], without: Begun | null): Promise<number> {
    const each = environments.map((id) => bytesOf(id, id === without?.environment ? without.terminal : null));
    return Math.ceil((await Promise.all(each)).reduce((sum, bytes) => sum + bytes, 0) / MIB);
  }

  async function assertQuota(begun: Begun): Promise<void> {
    const { limitMib, environments } = await findRoom(begun.environment);
    const used = limitMib === null ? 0 : await totalMib(environments, begun);
    assertOne("recordingsMib", limitMib, { used, asked: MAX_RECORDING_BYTES / MIB });
  }

  async function assertRoom(environment: string, terminal: string): Promise<void> {
    const bytes = await bytesOf(environment, terminal);
    if (bytes + MAX_RECORDING_BYTES <= MAX_ENVIRONMENT_BYTES) return;
    throw new PlatformError(
      "TOO_MANY",
      `The recordings of this environment may take ${MAX_ENVIRONMENT_BYTES / MIB} MiB, ${MAX_RECORDING_BYTES / MIB} of them each that is on: stop or delete one first.`,
    );
  }

  return {
    async status(environment, terminal, hub) {
      const file = fileOf(environment, terminal);
      const note = file.note;
      const recorder = hub?.recorder ?? null;
      return {
        enabled: note?.enabled ?? false,
        startedAt: note?.startedAt ?? null,
        bytes: recorder?.bytes ?? (await file.size()),
        limitBytes: MAX_RECORDING_BYTES,
        isFull: recorder?.isFull ?? (await file.isFull()),
      };
    },
    enable: (environment, terminal, hub) =>
      inTurn(environment, terminal, async () => {
        const file = fileOf(environment, terminal);
        const { createdUnixMs } = hub;
        const startedAt = await inOrder(async () => {
          await assertRoom(environment, terminal);
          await assertQuota({ environment, terminal });
          const before = file.note;
          // Another terminal of this name was recorded, in a guest that is no more.
          if (before !== null && before.createdUnixMs !== createdUnixMs) file.remove();
          const isContinued = before?.createdUnixMs === createdUnixMs;
          const since = isContinued ? before.startedAt : new Date().toISOString();
          // From here on it counts as what it may become.
          file.setNote({ version: 1, enabled: true, startedAt: since, createdUnixMs });
          return since;
        });
        await hub.record(file, new Date(startedAt), false);
      }),
    totalMib: (environments) => totalMib(environments, null),
    resume: (environment, terminal, hub) =>
      inTurn(environment, terminal, async () => {
        const file = fileOf(environment, terminal);
        const { note } = file;
        if (note?.enabled !== true || note.createdUnixMs !== hub.createdUnixMs) return;
        await hub.record(file, new Date(note.startedAt), true);
      }),
    disable: (environment, terminal, hub) =>
      inTurn(environment, terminal, async () => {
        const file = fileOf(environment, terminal);
        const { note } = file;
        if (note === null) return;
        file.setNote({ ...note, enabled: false });
        await hub?.stopRecording();
      }),
    async content(environment, terminal) {
      const file = fileOf(environment, terminal);
      if ((await file.size()) === 0) throw missing(terminal);
      return file.cast;
    },
    remove: (environment, terminal, hub) =>
      inTurn(environment, terminal, async () => {
        await hub?.stopRecording();
        fileOf(environment, terminal).remove();
      }),
    enabled(environment) {
      return names(join(root, environment))
        .filter((name) => name.endsWith(".json"))
        .map((name) => name.slice(0, -5))
        .filter((terminal) => fileOf(environment, terminal).note?.enabled === true);
    },
    environments: () => names(root),
    removeEnvironmentFiles: (environment) => rmSync(join(root, environment), { recursive: true, force: true }),
  };
}
