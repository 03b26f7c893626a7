import { once } from "node:events";
import type { Writable } from "node:stream";

/** Writes, and waits only where the stream asks for it. */
export function writeFully(stream: Writable, data: Uint8Array | string): undefined | Promise<void> {
  if (stream.write(data)) return;
  return once(stream, "drain").then(() => {});
}
