import { Readable } from "node:stream";
import type { RecordingMark, RecordingRepository, TerminalPlace } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import { systemRandomness } from "../../process/system-clock.ts";
import type { RecordingStore, StoredRecording } from "./recording-store.ts";

/** Recordings in the database, which every server of a fleet reaches. */
export function createRecordingRows(rows: RecordingRepository): RecordingStore {
  return {
    of: (place) => new RecordingInRows(rows, place),

    async state(place) {
      const row = await rows.get(place);
      return row === null ? null : { ...row, isFull: row.mark?.isFull ?? false };
    },

    async begin(place, { createdUnixMs, environments, fit }) {
      const recording = { ...place, id: systemRandomness.id(12), startedAt: new Date().toISOString(), createdUnixMs };
      const startedAt = await rows.begin(recording, environments, fit);
      if (startedAt !== null) return startedAt;
      throw new PlatformError("ENVIRONMENT_NOT_FOUND", "the environment was removed meanwhile");
    },

    turnOff: (place) => rows.turnOff(place),

    async remove(place) {
      await rows.remove(place);
      await rows.sweep();
    },

    content: (place, size) => Readable.from(chunks(rows, place, size), { objectMode: false }),
    uses: (environments) => rows.uses(environments),
    enabledHere: () => rows.enabledHere(),
    environments: () => [],
    removeEnvironment: () => rows.sweep(),
    sweep: () => rows.sweep(),
  };
}

async function* chunks(rows: RecordingRepository, place: TerminalPlace, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; ) {
    const bytes = await rows.read(place, at);
    if (bytes.length === 0) throw new PlatformError("NOT_FOUND", "the recording was removed meanwhile");
    yield bytes.subarray(0, size - at);
    at += bytes.length;
  }
}

class RecordingInRows implements StoredRecording {
  readonly #rows: RecordingRepository;
  readonly #place: TerminalPlace;
  #end = 0;

  constructor(rows: RecordingRepository, place: TerminalPlace) {
    this.#rows = rows;
    this.#place = place;
  }

  async cutToMark(): Promise<{ readonly mark: RecordingMark | null; readonly bytes: number }> {
    const row = await this.#rows.get(this.#place);
    this.#end = row?.bytes ?? 0;
    return { mark: row?.mark ?? null, bytes: this.#end };
  }

  async append(text: string, mark: RecordingMark): Promise<void> {
    const bytes = Buffer.from(text);
    if (!(await this.#rows.append(this.#place, this.#end, bytes, mark))) {
      throw new PlatformError("NOT_FOUND", "the recording is gone, or somebody else has continued it");
    }
    this.#end += bytes.length;
  }

  async close(): Promise<void> {}
}
