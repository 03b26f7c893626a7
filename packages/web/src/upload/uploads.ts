/** Files on their way into environments, one after the other. They go on while other pages are looked at. */
import { RequestError } from "@microterm/sdk";
import { client } from "../api/queries.ts";
import { createStore } from "../store.ts";
import { freeName } from "./free-name.ts";
import { sendFile } from "./send-file.ts";

export interface Upload {
  readonly id: number;
  readonly environment: string;
  /** In the guest; empty: the home folder. */
  readonly folder: string;
  /** As it is called there, once that is known. */
  readonly name: string;
  readonly size: number;
  readonly sent: number;
  readonly phase: "waiting" | "sending" | "done" | "failed";
  readonly error: unknown;
}

const store = createStore<{ readonly all: readonly Upload[] }>({ all: [] });
export const { subscribe } = store;
export const allUploads = (): readonly Upload[] => store.get().all;

const aborts = new Map<number, AbortController>();
let last = 0;
let queue: Promise<void> = Promise.resolve();

const change = (id: number, what: Partial<Upload>): void =>
  store.set({ all: allUploads().map((one) => (one.id === id ? { ...one, ...what } : one)) });

const isTaken = async (environment: string, path: string): Promise<boolean> => {
  try {
    await client.files.stat(environment, path);
    return true;
  } catch (error) {
    // Another fault is met again, and reported, by the upload itself.
    if (error instanceof RequestError) return false;
    throw error;
  }
};

const send = async ({ id, environment, folder, name }: Upload, file: File, signal: AbortSignal): Promise<void> => {
  if (signal.aborted) return;
  const pathOf = (of: string): string => (folder === "" ? of : `${folder.replace(/\/$/, "")}/${of}`);
  change(id, { phase: "sending" });
  try {
    const free = await freeName(name, (of) => isTaken(environment, pathOf(of)));
    if (free === null) throw new Error(`There are too many files called ${name} already.`);
    change(id, { name: free });
    await sendFile({ environment, path: pathOf(free), file, signal, onProgress: (sent) => change(id, { sent }) });
    change(id, { phase: "done", sent: file.size });
  } catch (error) {
    if (!signal.aborted) change(id, { phase: "failed", error });
  } finally {
    aborts.delete(id);
  }
};

/** A folder has no bytes of its own to send. */
export const NOT_A_FILE = new Error(
  "Folders can't be dropped. Pack it into one file, or copy it with: ./microterm cp FOLDER NAME:",
);

export const addUpload = (environment: string, folder: string, file: File, isFolder: boolean): void => {
  const upload: Upload = {
    id: ++last,
    environment,
    folder,
    name: file.name,
    size: file.size,
    sent: 0,
    phase: isFolder ? "failed" : "waiting",
    error: isFolder ? NOT_A_FILE : null,
  };
  store.set({ all: [...allUploads(), upload] });
  if (isFolder) return;
  const abort = new AbortController();
  aborts.set(upload.id, abort);
  queue = queue.then(() => send(upload, file, abort.signal));
};

/** Ends it where it is not over, and shows it no longer. */
export const dropUpload = (id: number): void => {
  aborts.get(id)?.abort(new Error("cancelled"));
  aborts.delete(id);
  store.set({ all: allUploads().filter((one) => one.id !== id) });
};

export const isUploading = (): boolean => aborts.size > 0;
