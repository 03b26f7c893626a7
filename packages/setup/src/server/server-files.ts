import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { systemCode } from "@microterm/host";
import { readPlainFile } from "../data/plain-files.ts";

/** `server.json` and the token are a line each. */
const MAX_BYTES = 4096;

/** What a server of this data folder has left for users who may read it. */
export interface ServerFiles {
  /** Whose the folder is, and so the server. */
  readonly uid: number;
  readonly json: string;
  /** Empty where there is none. */
  readonly token: string;
}

/**
 * Reads address and token out of one and the same folder, which its owner might exchange between the two: root would
 * else send one server's token to another's address. Throws the system's error where one of them is missing or may not
 * be read.
 */
export function readServerFiles(folder: string): ServerFiles {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const inside = `/proc/self/fd/${fd}`;
  try {
    return {
      uid: fstatSync(fd).uid,
      json: readPlainFile(`${inside}/server.json`, MAX_BYTES),
      token: readIfThere(`${inside}/token`).trim(),
    };
  } finally {
    closeSync(fd);
  }
}

function readIfThere(path: string): string {
  try {
    return readPlainFile(path, MAX_BYTES);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return "";
    throw error;
  }
}
