import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { AgentLink, openResynced } from "@microterm/agent-client";
import { connectUnix } from "@microterm/host";
import { onTestFinished } from "vitest";
import { makeTempFolder } from "../../support/temp-folder.ts";

/** Frame types and flags of RFC 9113, section 6. */
export const HTTP2 = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  endStream: 1,
  endHeaders: 4,
};
const PREFACE_BYTES = 24;
/** HPACK's static table, entry 8 (RFC 7541, appendix A): `:status: 200`. */
const STATUS_200 = Buffer.of(0x88);

/** An HTTP/2 frame (RFC 9113, 4.1). */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

export const SETTINGS = frame(HTTP2.settings, 0, 0);
export const success = (streamId: number, flags = HTTP2.endHeaders): Buffer =>
  frame(HTTP2.headers, flags, streamId, STATUS_200);

const HELLO = { protocol: 1, agent: "0.1.0", bootId: "11111111-1111-4111-8111-111111111111", uptimeMs: 1 };

export const answer = (streamId: number, json: unknown): Buffer =>
  Buffer.concat([
    success(streamId),
    frame(HTTP2.data, HTTP2.endStream, streamId, Buffer.from(typeof json === "string" ? json : JSON.stringify(json))),
  ]);

/** Sends a piece for as long as the peer listens. */
export function flood(socket: Socket, piece: Buffer): void {
  const chunk = Buffer.concat(Array.from({ length: Math.max(1, Math.ceil(65_536 / piece.length)) }, () => piece));
  const go = (): void => {
    for (let sent = 0; sent < 16 && !socket.destroyed; sent += 1) if (!socket.write(chunk)) return;
    if (!socket.destroyed) setImmediate(go);
  };
  socket.on("drain", go);
  go();
}

/** What an agent does when a request has arrived; `index` counts them from 0, the handshake. */
export type OnRequest = (socket: Socket, streamId: number, index: number) => void;

/** An agent that shakes hands properly, and then does as it likes. */
export const afterHello =
  (attack: OnRequest): OnRequest =>
  (socket, streamId, index) => {
    if (index === 0) socket.write(answer(streamId, HELLO));
    else attack(socket, streamId, index);
  };

export interface Peer {
  /** Connections that came. */
  readonly connections: () => number;
  /** To the agent at this address. */
  readonly link: AgentLink;
}

async function listen(server: Server): Promise<string> {
  const folder = await makeTempFolder();
  const path = join(folder.path, "agent.sock");
  await new Promise<void>((resolve) => server.listen(path, () => resolve()));
  onTestFinished(async () => {
    server.close();
    await folder.remove();
  });
  return path;
}

/** An agent that writes what it likes as soon as it is connected to. With `magic`, behind a channel that resyncs. */
export async function rawPeer(attack: (socket: Socket) => void, magic?: Buffer): Promise<Peer> {
  let connections = 0;
  const path = await listen(
    createServer((socket) => {
      connections += 1;
      socket.on("error", () => undefined);
      attack(socket);
      if (socket.listenerCount("data") === 0) socket.resume();
    }),
  );
  const link = new AgentLink({
    open: (limits) => (magic === undefined ? connectUnix(path, limits) : openResynced(path, magic, limits)),
  });
  onTestFinished(() => link.end("the test is over"));
  return { connections: () => connections, link };
}

/** An agent that hears requests, and answers each with bytes of its own making. */
export function http2Peer(onRequest: OnRequest): Promise<Peer> {
  return rawPeer((socket) => {
    socket.write(SETTINGS);
    let heard = Buffer.alloc(0);
    let skipped = 0;
    let requests = 0;
    socket.on("data", (chunk: Buffer) => {
      const fresh = chunk.subarray(Math.min(chunk.length, PREFACE_BYTES - skipped));
      skipped += chunk.length - fresh.length;
      heard = Buffer.concat([heard, fresh]);
      while (heard.length >= 9) {
        const end = 9 + heard.readUIntBE(0, 3);
        if (heard.length < end) return;
        if (heard[3] === HTTP2.headers) onRequest(socket, heard.readUInt32BE(5), requests++);
        heard = heard.subarray(end);
      }
    });
  });
}
