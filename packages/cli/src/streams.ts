import { once } from "node:events";
import type { Writable } from "node:stream";

/** Writes, and waits only where the stream asks for it. */
export function writeFully(stream: Writable, data: Uint8Array | string): undefined | Promise<void> {
  if (stream.write(data)) return;
  return once(stream, "drain").then(() => {});
}

/** Resolves once a stream's reader has taken all that was written, or cannot any more: what is left is lost with the process. */
export function flushed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    stream.write("", () => resolve());
  });
}
