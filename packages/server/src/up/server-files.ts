import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

/** `server.json` and the token are a line each. */
const MAX_BYTES = 4096;

/**
 * Reads a small file that the server wrote. Root reads files of the server's user with this: a link would have it read,
 * and send on, what that user may not see, and a pipe would have it wait for ever. Throws where it is no plain file.
 */
export function readServerFile(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = fstatSync(fd);
    if (!found.isFile() || found.nlink !== 1 || found.size > MAX_BYTES)
      throw new Error(`${path} is not a file of ours`);
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}
