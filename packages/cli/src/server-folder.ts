import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { CliError } from "./failure.ts";

/** Both files are a line each. */
const MAX_BYTES = 4096;

export interface ServerFolder {
  /** Whose the folder is, and so the server. */
  readonly uid: number;
  readonly json: string;
  readonly token: string;
}

/**
 * What a server left in DATA/server, out of one and the same folder: its owner, who is not who asks where root does, might exchange it
 * between the two files, and have one server's token sent to another's address.
 */
export function readServerFolder(folder: string, hint: string): ServerFolder {
  const opened = explain(folder, hint, () => openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY));
  const read = (name: string) =>
    explain(`${folder}/${name}`, hint, () => readPlainFile(`/proc/self/fd/${opened}/${name}`, `${folder}/${name}`));
  try {
    return { uid: fstatSync(opened).uid, json: read("server.json"), token: read("token").trim() };
  } finally {
    closeSync(opened);
  }
}

/** Whether this pid is a server of this data folder's, of that user: it may have been given to another process since. */
export function isServer(pid: unknown, of: { readonly uid: number; readonly data: string }): boolean {
  if (typeof pid !== "number" || !Number.isInteger(pid) || pid <= 0) return false;
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return statSync(`/proc/${pid}`).uid === of.uid && words.includes("serve") && words.includes(of.data);
  } catch {
    return false;
  }
}

function explain<T>(path: string, hint: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "EACCES") {
      throw new CliError(`${path} may not be read by ${userInfo().username}.`, {
        hint: "Run this as the user who started the server, or set MICROTERM_URL and MICROTERM_TOKEN.",
        cause,
      });
    }
    if (code === "ELOOP") throw new CliError(`${path} is a link, which no server makes.`, { cause });
    if (code !== "ENOENT" && code !== "ENOTDIR") throw cause;
    throw new CliError(`No server has been started here: ${path} does not exist.`, { hint, cause });
  }
}

/** No link that the server's user may have put in a file's place, which would have root send off what it leads to. */
function readPlainFile(path: string, name: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = fstatSync(fd);
    if (found.isFile() && found.nlink === 1 && found.size <= MAX_BYTES) return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
  throw new CliError(`${name} is not a file that a server wrote.`);
}
