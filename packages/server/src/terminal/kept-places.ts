import type { KeptScreenRepository, Storage } from "@microterm/core";
import { createRecordingFiles } from "./recording/recording-files.ts";
import { createRecordingRows } from "./recording/recording-rows.ts";
import type { RecordingStore } from "./recording/recording-store.ts";

/** Where a server keeps what outlives it of terminals. */
export interface KeptPlaces {
  readonly recordings: RecordingStore;
  /** Where servers of a fleet keep screens for each other; null: this one is alone. */
  readonly keptScreens: KeptScreenRepository | null;
}

/** In its own folder, or, in a fleet, where all servers reach it. */
export const findKeptPlaces = (
  { fleet, recordings, keptScreens }: Pick<Storage, "fleet" | "recordings" | "keptScreens">,
  folder: string,
): KeptPlaces =>
  fleet.number === null
    ? { recordings: createRecordingFiles(folder), keptScreens: null }
    : { recordings: createRecordingRows(recordings), keptScreens };
