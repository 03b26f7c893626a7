import { type Stats, statSync } from "node:fs";
import { posix } from "node:path";
import type { FileEntry } from "@microterm/protocol";
import { type Client, RequestError } from "@microterm/sdk";
import { CliError } from "../failure.ts";

/** One side of a copy. */
export type Location =
  | { readonly kind: "local"; readonly path: string }
  | { readonly kind: "remote"; readonly environment: string; readonly path: string };

/**
 * `NAME:path` is inside an environment; `./a:b` and `/a:b` are files here. An empty path is the home folder.
 * @throws CliError for an empty argument.
 */
export function parseLocation(text: string): Location {
  if (text === "") throw new CliError("An empty path cannot be copied.");
  const match = /^([a-z0-9][a-z0-9-]{0,31}):(.*)$/s.exec(text);
  if (match === null) return { kind: "local", path: text };
  return { kind: "remote", environment: match[1] as string, path: match[2] || "." };
}

/** A folder named with `/.` at its end stands for what is in it. */
export function meansContents(path: string): boolean {
  return path === "." || path === ".." || /\/\.\/?$/.test(path);
}

/** What a copy of `path` is called; a folder's contents have no name of their own. */
export function nameOf(path: string): string {
  const name = posix.basename(posix.normalize(path));
  if (name === "" || name === "." || name === "..")
    throw new CliError(`${path} has no name for its copy: end it with /.`);
  return name;
}

export function joinRemote(folder: string, name: string): string {
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

/** Links are followed, as cp(1) follows the one it is given. Null: nothing is there. */
export function statLocal(path: string): Stats | null {
  return statSync(path, { throwIfNoEntry: false }) ?? null;
}

const MAX_LINKS = 8;

/** What is at a path inside an environment, with links followed; its `path` is where they led. Null: nothing. */
export async function statRemote(client: Client, environment: string, path: string): Promise<FileEntry | null> {
  let at = path;
  for (let links = 0; links < MAX_LINKS; links += 1) {
    let entry: FileEntry;
    try {
      entry = await client.files.stat(environment, at);
    } catch (error) {
      if (error instanceof RequestError && error.code === "FILE_NOT_FOUND") return null;
      throw error;
    }
    if (entry.type !== "symlink" || entry.target === undefined) return { ...entry, path: at };
    at = entry.target.startsWith("/") ? entry.target : posix.join(posix.dirname(at), entry.target);
  }
  throw new CliError(`${environment}:${path} leads through more than ${MAX_LINKS} links.`);
}
