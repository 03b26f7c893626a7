import { join } from "node:path";
import type { KeptScreenRepository, Storage } from "@microterm/core";
import { bringRecordings } from "./recording/bring-recordings.ts";
import { createRecordingFiles } from "./recording/recording-files.ts";
import { createRecordingRows } from "./recording/recording-rows.ts";
import type { RecordingStore } from "./recording/recording-store.ts";

/** Where a server keeps what outlives it of terminals. */
export interface KeptPlaces {
  readonly recordings: RecordingStore;
  /** Where servers of a fleet keep screens for each other; null: this one is alone. */
  readonly keptScreens: KeptScreenRepository | null;
}

/** In its own folder, or, in a fleet, where all servers reach it. Resolves once what is found there is all that there is. */
export async function openKeptPlaces(
  storage: Pick<Storage, "fleet" | "environments" | "recordings" | "keptScreens">,
  folder: string,
): Promise<KeptPlaces> {
  const { fleet, recordings, keptScreens } = storage;
  if (fleet.number !== null) return { recordings: createRecordingRows(recordings), keptScreens };
  await bringRecordings(storage, join(folder, "recordings"));
  return { recordings: createRecordingFiles(folder), keptScreens: null };
}
