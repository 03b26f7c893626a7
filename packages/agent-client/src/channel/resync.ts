import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { connectUnix, withDeadline } from "@microterm/host";

/** Bytes of the magic, and of the session id that follows it in a marker. */
export const MAGIC_BYTES = 16;
const MARKER_BYTES = 2 * MAGIC_BYTES;
/** A marker that was lost (the guest's driver came up after it) is replaced after this long. */
const RETRY_MS = 1000;

/** Finds the echo of the newest marker in what a guest sends; keeps at most 31 bytes. */
export class EchoSearch {
  #expected: Buffer = Buffer.alloc(0);
  #tail: Buffer = Buffer.alloc(0);

  expect(marker: Buffer): void {
    this.#expected = marker;
  }

  /** What follows the echo, once it is complete; undefined before. */
  push(chunk: Buffer): Buffer | undefined {
    const seen = this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk]);
    const at = seen.indexOf(this.#expected);
    if (at !== -1) return seen.subarray(at + MARKER_BYTES);
    // A copy: a view would keep the whole chunk alive.
    this.#tail = Buffer.from(seen.subarray(Math.max(0, seen.length - (MARKER_BYTES - 1))));
    return undefined;
  }
}

/**
 * Opens a session on a virtio-serial port's socket (docs/reference/agent-protocol.md, Resync): sends markers until the
 * guest has echoed the newest, and resolves with the socket, paused, ready for a client's connection preface.
 *
 * Rejects with a system error when the socket cannot be connected, with an Error when the VMM hangs up, at the deadline or on
 * abort; the socket is closed then.
 */
export async function openResynced(
  path: string,
  magic: Uint8Array,
  limits: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<Socket> {
  const socket = await connectUnix(path, limits);
  let release = (): void => {};
  const echoed = new Promise<Socket>((resolve, reject) => {
    const search = new EchoSearch();
    const mark = (): void => {
      const marker = Buffer.concat([magic, randomBytes(MAGIC_BYTES)]);
      search.expect(marker);
      socket.write(marker);
    };
    const timer = setInterval(mark, RETRY_MS);
    const received = (chunk: Buffer): void => {
      const rest = search.push(chunk);
      if (rest === undefined) return;
      release();
      socket.pause();
      if (rest.length > 0) socket.unshift(rest);
      resolve(socket);
    };
    const failed = (error: Error): void => reject(error);
    const ended = (): void => reject(new Error("the VMM closed the guest channel"));
    release = (): void => {
      clearInterval(timer);
      socket.removeListener("data", received);
      socket.removeListener("error", failed);
      socket.removeListener("close", ended);
    };
    socket.on("data", received);
    socket.on("error", failed);
    socket.on("close", ended);
    mark();
  });
  try {
    return await withDeadline(echoed, limits, (ms) => new Error(`no echo from the guest within ${ms} ms`));
  } catch (error) {
    release();
    socket.on("error", () => {});
    socket.destroy();
    throw error;
  }
}
