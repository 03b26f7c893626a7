import { readSync } from "node:fs";

/** A part of an open file. */
export interface Part {
  readonly fd: number;
  readonly at: number;
  readonly bytes: number;
}

/** All of these bytes. Throws where the file ends before. */
export function readAt(fd: number, at: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let read = 0; read < bytes; ) {
    const count = readSync(fd, buffer, read, bytes - read, at + read);
    if (count === 0) throw new Error("it is cut off");
    read += count;
  }
  return buffer;
}
