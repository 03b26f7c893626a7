import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";

/** 10 MB hold about 50,000 lines: days of an ordinary server, and with one predecessor a bound on the disk. */
const MAX_BYTES = 10_000_000;

/** An append-only log that moves aside to `PATH.1` once it is full. Lines are written at once: a crash loses none. */
export function createLogFile(path: string): { write(line: string): void } {
  let fd = openSync(path, "a", 0o600);
  let size = fstatSync(fd).size;
  return {
    write(line) {
      try {
        if (size > MAX_BYTES) {
          renameSync(path, `${path}.1`);
          closeSync(fd);
          fd = openSync(path, "a", 0o600);
          size = 0;
        }
        size += writeSync(fd, line);
      } catch {
        // A full disk must not end the server; there is nowhere left to say so.
      }
    },
  };
}
