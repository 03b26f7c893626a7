import { createReadStream, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { RecordingUse, TerminalPlace } from "@microterm/core";
import type { EnvironmentId } from "@microterm/protocol";
import { RecordingFile } from "./recording-file.ts";
import type { RecordingStore } from "./recording-store.ts";

/** Recordings as files below a folder, of a server that is alone. */
export function createRecordingFiles(folder: string): RecordingStore {
  const root = join(folder, "recordings");
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const fileOf = ({ environment, terminal }: TerminalPlace) => new RecordingFile(join(root, environment, terminal));

  /** One beginning at a time: of two, each would be given the last room. */
  let begins: Promise<unknown> = Promise.resolve();
  function inOrder<T>(run: () => Promise<T>): Promise<T> {
    const own = begins.then(run);
    begins = own.catch(() => undefined);
    return own;
  }

  const placesIn = (environment: EnvironmentId): readonly TerminalPlace[] => {
    const terminals = names(join(root, environment)).map((file) => file.slice(0, file.lastIndexOf(".")));
    return [...new Set(terminals)].map((terminal) => ({ environment, terminal }));
  };

  const uses = (environments: readonly EnvironmentId[]): Promise<readonly RecordingUse[]> =>
    Promise.all(
      environments.flatMap(placesIn).map(async (place) => {
        const file = fileOf(place);
        return { ...place, isEnabled: file.note?.enabled ?? false, bytes: await file.size() };
      }),
    );

  return {
    of: fileOf,
    uses,

    async state(place) {
      const file = fileOf(place);
      const { note } = file;
      const bytes = await file.size();
      if (note === null && bytes === 0) return null;
      const { enabled: isEnabled = false, startedAt = null, createdUnixMs = null } = note ?? {};
      return { isEnabled, startedAt, createdUnixMs, bytes, isFull: await file.isFull() };
    },

    begin: (place, { createdUnixMs, environments, fit }) =>
      inOrder(async () => {
        fit(await uses([...new Set([place.environment, ...environments])]));
        const file = fileOf(place);
        const before = file.note;
        // Another terminal of this name was recorded, in a guest that is no more.
        if (before !== null && before.createdUnixMs !== createdUnixMs) file.remove();
        const isContinued = before?.createdUnixMs === createdUnixMs;
        const startedAt = isContinued ? before.startedAt : new Date().toISOString();
        // From here on it counts as what it may become.
        file.setNote({ version: 1, enabled: true, startedAt, createdUnixMs });
        return startedAt;
      }),

    async turnOff(place) {
      const file = fileOf(place);
      const { note } = file;
      if (note !== null) file.setNote({ ...note, enabled: false });
    },

    async remove(place) {
      fileOf(place).remove();
    },

    content: (place, size) => createReadStream(fileOf(place).cast, { end: size - 1 }),

    async enabledHere() {
      const all = names(root).flatMap((name) => placesIn(name as EnvironmentId));
      return all.filter((place) => fileOf(place).note?.enabled === true);
    },

    environments: () => names(root),

    async removeEnvironment(environment) {
      rmSync(join(root, environment), { recursive: true, force: true });
    },

    async sweep() {},
  };
}

function names(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
