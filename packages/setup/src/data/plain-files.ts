import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from "node:fs";

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/**
 * Opens a plain file with no other name. A link would have root read or overwrite what it leads to, and a pipe would have it wait
 * for ever. Throws where something else is there.
 */
function openPlain(path: string, flags: number): number {
  const fd = openSync(path, flags | O_NOFOLLOW | O_NONBLOCK, 0o600);
  const found = fstatSync(fd);
  if (found.isFile() && found.nlink === 1) return fd;
  closeSync(fd);
  throw new Error(`${path} is not a file of ours`);
}

/** A log to write to, at its end or truncated. The caller closes it. */
export function openLog(path: string, start: "end" | "truncated" = "end"): number {
  const fd = openPlain(path, O_WRONLY | O_CREAT | O_APPEND);
  if (start === "truncated") ftruncateSync(fd);
  return fd;
}

export function writePlainFile(path: string, text: string): void {
  const fd = openLog(path, "truncated");
  try {
    writeSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

/** All of a small file. Throws where it is longer than `maxBytes`. */
export function readPlainFile(path: string, maxBytes: number): string {
  const fd = openPlain(path, O_RDONLY);
  try {
    if (fstatSync(fd).size > maxBytes) throw new Error(`${path} is not a file of ours`);
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}

/** What a log has from `offset` on, at most its last `maxBytes`; where the file ends now. Empty where there is none. */
export function readLog(path: string, maxBytes: number, offset = 0): { readonly text: string; readonly end: number } {
  let fd: number;
  try {
    fd = openPlain(path, O_RDONLY);
  } catch {
    return { text: "", end: 0 };
  }
  try {
    const end = fstatSync(fd).size;
    const from = Math.max(offset, end - maxBytes, 0);
    const bytes = Buffer.alloc(Math.max(0, end - from));
    return { text: bytes.toString("utf8", 0, readSync(fd, bytes, 0, bytes.length, from)), end };
  } finally {
    closeSync(fd);
  }
}
