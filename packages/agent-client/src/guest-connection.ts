import type { ClientHttp2Stream } from "node:http2";
import type { ConnectionEvents, GuestConnection } from "@microterm/core";
import { guestUnreachable } from "./channel/agent-call.ts";
import { cancelStream } from "./channel/guest-session.ts";

/** What may wait for the guest before `write` says so: as much as the stream's window. */
const MAX_PENDING = 65_536;

/** The bytes of a connection in the guest as the two bodies of an HTTP/2 stream that was answered. */
export function createGuestConnection(stream: ClientHttp2Stream, events: ConnectionEvents): GuestConnection {
  let isOver = false;
  const finish = (error: Error | undefined): void => {
    if (isOver) return;
    isOver = true;
    events.closed(error);
  };
  stream.on("data", (bytes: Buffer) => {
    if (!isOver) events.data(bytes);
  });
  stream.once("end", () => {
    // A reset stream ends its reading side too.
    if (!isOver && !stream.aborted && stream.rstCode === 0) events.ended();
  });
  stream.once("error", (error) => finish(guestUnreachable("the connection in the guest broke", error)));
  stream.once("close", () => {
    finish(stream.rstCode === 0 && !stream.aborted ? undefined : guestUnreachable("the connection in the guest broke"));
  });
  return {
    write(bytes) {
      if (isOver || stream.destroyed || stream.writableEnded) return true;
      stream.write(bytes);
      return stream.writableLength < MAX_PENDING;
    },
    drained: () =>
      new Promise((resolve) => {
        const done = (): void => {
          stream.removeListener("drain", done);
          stream.removeListener("close", done);
          resolve();
        };
        if (stream.destroyed || stream.writableLength < MAX_PENDING) return resolve();
        stream.on("drain", done);
        stream.on("close", done);
      }),
    end: () =>
      new Promise((resolve) => {
        if (stream.destroyed) return resolve();
        stream.once("close", resolve);
        stream.end(resolve);
      }),
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    close() {
      finish(undefined);
      cancelStream(stream);
    },
  };
}
