import { ExtractedTar, FileEntry } from "@microterm/protocol";
import { z } from "zod";
import type { RequestBody, Transport } from "./transport.ts";

const Listing = z.strictObject({ entries: z.array(FileEntry), truncated: z.boolean() });

/** Files inside an environment, as the user `dev`; a relative path starts at the home folder. */
export interface Files {
  stat(environment: string, path: string): Promise<FileEntry>;
  /** At most 10,000 entries; `truncated` when there are more. */
  list(environment: string, path: string): Promise<{ entries: FileEntry[]; truncated: boolean }>;
  /** The answer's body is the file; its length is in `content-length` where it is known. */
  read(environment: string, path: string, options?: { readonly signal?: AbortSignal }): Promise<Response>;
  /** Replaces or makes a file as one step: a broken upload changes nothing. `mode`: permission bits. */
  write(
    environment: string,
    path: string,
    body: RequestBody,
    options?: { readonly mode?: number; readonly modifiedAt?: string; readonly signal?: AbortSignal },
  ): Promise<FileEntry>;
  /** With its parents. */
  makeDirectory(environment: string, path: string): Promise<FileEntry>;
  remove(environment: string, path: string, options?: { readonly recursive?: boolean }): Promise<void>;
  /** A tar whose members' names begin with the path's last component. */
  readTar(environment: string, path: string, options?: { readonly signal?: AbortSignal }): Promise<Response>;
  /** Extracts into an existing folder. What could not be made there is left out and named. */
  writeTar(
    environment: string,
    path: string,
    tar: ReadableStream<Uint8Array>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<ExtractedTar>;
}

export function createFiles(transport: Transport, environmentPath: (ref: string) => string): Files {
  const at = (environment: string, call: string) => `${environmentPath(environment)}/files${call}`;
  return {
    stat: (environment, path) => transport.json(FileEntry, at(environment, "/stat"), { query: { path } }),
    list: (environment, path) => transport.json(Listing, at(environment, "/list"), { query: { path } }),
    read: (environment, path, options = {}) =>
      transport.send(at(environment, "/content"), { query: { path }, signal: options.signal }),
    write: (environment, path, body, options = {}) =>
      transport.json(FileEntry, at(environment, "/content"), {
        method: "PUT",
        query: {
          path,
          mode: options.mode === undefined ? undefined : options.mode.toString(8).padStart(4, "0"),
          modifiedAt: options.modifiedAt,
        },
        body,
        signal: options.signal,
      }),
    makeDirectory: (environment, path) =>
      transport.json(FileEntry, at(environment, "/directory"), { method: "POST", query: { path } }),
    remove: (environment, path, options = {}) =>
      transport.done(at(environment, ""), {
        method: "DELETE",
        query: { path, recursive: options.recursive === true ? 1 : undefined },
      }),
    readTar: (environment, path, options = {}) =>
      transport.send(at(environment, "/tar"), { query: { path }, signal: options.signal }),
    writeTar: (environment, path, tar, options = {}) =>
      transport.json(ExtractedTar, at(environment, "/tar"), {
        method: "PUT",
        query: { path },
        body: tar,
        headers: { "content-type": "application/x-tar" },
        signal: options.signal,
      }),
  };
}
