import { createWriteStream, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { type Storage, SYSTEM } from "@microterm/core";
import { RecordingFile } from "./recording-file.ts";
import { createRecordingRows } from "./recording-rows.ts";

/**
 * A server that is alone takes what a fleet has recorded into its own files: it is left of one, or its database is restored from a fleet's
 * backup. Safe to repeat: a recording is in the database until all of it is in its file.
 */
export async function bringRecordings(
  { recordings, environments }: Pick<Storage, "recordings" | "environments">,
  root: string,
): Promise<void> {
  const all = (await environments.list(SYSTEM)).map(({ id }) => id);
  const store = createRecordingRows(recordings);
  for (const { environment, terminal } of await recordings.uses(all)) {
    const place = { environment, terminal };
    const row = await recordings.get(place);
    if (row === null) continue;
    const file = new RecordingFile(join(root, environment, terminal));
    mkdirSync(dirname(file.cast), { recursive: true, mode: 0o700 });
    await pipeline(store.content(place, row.bytes), createWriteStream(file.cast, { mode: 0o600 }));
    const { isEnabled: enabled, startedAt, createdUnixMs } = row;
    file.setNote({ version: 1, enabled, startedAt, createdUnixMs });
    await store.remove(place);
  }
}
