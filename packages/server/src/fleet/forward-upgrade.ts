import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type Duplex, finished } from "node:stream";
import { again, answerOf, discard, isMoved, sendAnswer, type ToPeer } from "./forward-request.ts";
import type { Forwarded } from "./forwarded.ts";
import { requestHeaders, responseHeaders } from "./forwarded-headers.ts";
import { closeFrame, FrameEnds } from "./frame-ends.ts";

/** What one side has sent before its end gets to the other within this time. */
const LAST_BYTES_MS = 2_000;

/** A client that asks for a WebSocket. */
export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What has come behind the request. */
  readonly head: Buffer;
  /** For an answer that is none. */
  readonly response: () => ServerResponse;
}

/** A WebSocket that goes through this server. */
export interface Relay {
  /** Ends both sides at once. */
  destroy(): void;
  /** Tells the client why, behind what it has got by then, and ends both sides. */
  close(code: number, reason: string): void;
  /** Once both have ended. */
  readonly over: Promise<void>;
}

/**
 * As `forwardRequest` for a WebSocket: once the peer has agreed, bytes go both ways as they are. Resolves with null where it refused, which
 * the client has been told.
 */
export async function forwardUpgrade(
  { request, socket, head, response }: Upgrade,
  forwarded: Forwarded,
  toPeer: ToPeer,
): Promise<Relay | "again" | null> {
  if (socket.destroyed) return null;
  const outgoing = toPeer({ method: "GET", path: request.url, headers: requestHeaders(request, forwarded, true) });
  const gone = (): void => void outgoing.destroy();
  socket.once("close", gone);
  try {
    const upgraded = upgradeOf(outgoing);
    const answered = answerOf(outgoing);
    outgoing.end();
    const first = await Promise.race([upgraded, answered]);
    if ("peer" in first) {
      if (!socket.destroyed) return relay({ socket, head }, first);
      first.peer.destroy();
      return null;
    }
    if (isMoved(first)) return discard(first);
    await sendAnswer(first, response());
    return null;
  } catch (error) {
    if (socket.destroyed) return null;
    return again(error, request);
  } finally {
    socket.off("close", gone);
  }
}

interface Agreed {
  readonly answer: IncomingMessage;
  readonly peer: Socket;
  /** What has come behind the answer. */
  readonly rest: Buffer;
}

const upgradeOf = (outgoing: ClientRequest): Promise<Agreed> =>
  new Promise((resolve) => {
    outgoing.once("upgrade", (answer, peer, rest) => resolve({ answer, peer: peer as Socket, rest }));
  });

function relay({ socket, head }: Pick<Upgrade, "socket" | "head">, { answer, peer, rest }: Agreed): Relay {
  // A key is a packet: it does not wait for the next one.
  (socket as Socket).setNoDelay(true);
  peer.setNoDelay(true);
  const ends = new FrameEnds();
  ends.pass(rest);
  socket.write(Buffer.concat([Buffer.from(headOf(answer), "latin1"), rest]));
  if (head.length > 0) peer.write(head);
  peer.setTimeout(0);
  socket.pipe(peer);
  const follow = (chunk: Buffer): void => void ends.pass(chunk);
  peer.on("data", follow);
  peer.pipe(socket);
  const over = Promise.all([endOf(socket, peer), endOf(peer, socket)]).then(() => undefined);
  return {
    over,
    destroy() {
      socket.destroy();
      peer.destroy();
    },
    close(code, reason) {
      peer.off("data", follow).unpipe(socket);
      const finish = (): void => {
        socket.end(closeFrame(code, reason));
        peer.destroy();
      };
      if (ends.isAtEnd) return finish();
      peer.on("data", (chunk: Buffer) => {
        socket.write(chunk.subarray(0, ends.pass(chunk, true)));
        if (ends.isAtEnd) finish();
      });
      // The rest of a frame comes at once, or its sender has gone.
      setTimeout(() => peer.destroy(), LAST_BYTES_MS).unref();
    },
  };
}

/** Once `one` is over, also where it is already, the other one ends as well, after what had come by then. */
function endOf(one: Duplex, other: Duplex): Promise<void> {
  one.on("error", () => one.destroy());
  return new Promise((resolve) => {
    finished(one, () => {
      one.destroy();
      other.end();
      const timer = setTimeout(() => other.destroy(), LAST_BYTES_MS);
      finished(other, () => clearTimeout(timer));
      resolve();
    });
  });
}

/** Names and values were read by a parser that lets no line break into them. */
function headOf(answer: IncomingMessage): string {
  const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  const headers = responseHeaders(answer);
  for (let at = 0; at + 1 < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
