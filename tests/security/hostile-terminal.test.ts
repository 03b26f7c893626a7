import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { TerminalId } from "@microterm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { encodeFrame } from "../../packages/host/src/channel/frame-encoder.ts";
import { Attachment } from "../../packages/server/src/terminal/attachment.ts";
import { ClientSocket } from "../../packages/server/src/terminal/client-socket.ts";
import { createTerminalSizes } from "../../packages/server/src/terminal/terminal-sizes.ts";
import { poll } from "../../support/server.ts";
import { afterHello, frame, HTTP2, http2Peer, success } from "./raw-http2.ts";

const MIB = 1024 * 1024;
/** The guest is let in for so much; a server that holds it back never comes to take as much. */
const FLOOD_BYTES = 192 * MIB;

const size = (offset: bigint, cols: number): Buffer => {
  const payload = Buffer.alloc(12);
  payload.writeBigUInt64BE(offset, 0);
  payload.writeUInt16BE(cols, 8);
  payload.writeUInt16BE(24, 10);
  return encodeFrame(0x04, payload);
};
const gap = (from: bigint): Buffer => {
  const payload = Buffer.alloc(16);
  payload.writeBigUInt64BE(from, 0);
  payload.writeBigUInt64BE(from + 1n, 8);
  return encodeFrame(0x02, payload);
};
const letter = (offset: bigint): Buffer => {
  const payload = Buffer.alloc(9, "x");
  payload.writeBigUInt64BE(offset, 0);
  return encodeFrame(0x01, payload);
};

/** Frames without end, in pieces of 16 KB. */
function* endless(make: (count: bigint) => Buffer): Generator<Buffer> {
  for (let count = 0n; ; ) {
    const frames: Buffer[] = [];
    for (let bytes = 0; bytes < 16_000; count += 1n) {
      const next = make(count);
      frames.push(next);
      bytes += next.length;
    }
    yield Buffer.concat(frames.slice(0, -1));
    count -= 1n;
  }
}

it.each([
  ["gaps", (count: bigint) => gap(count)],
  ["new sizes", (count: bigint) => size(0n, 80 + Number(count % 2n))],
  ["single letters", (count: bigint) => letter(count)],
])(
  "a guest that sends %s without end is held back while its client reads nothing",
  async (_name, make) => {
    let sent = 0;
    const peer = await http2Peer(
      afterHello((socket: Socket, id) => {
        socket.write(Buffer.concat([success(id), frame(HTTP2.data, 0, id, size(0n, 80))]));
        const pieces = endless(make);
        // As an agent does that keeps to the window it is given, and nothing else.
        let window = 65_535 - 17;
        let rest = pieces.next().value as Buffer;
        const go = (): void => {
          while (window > 0 && sent < FLOOD_BYTES && !socket.destroyed) {
            const part = rest.subarray(0, window);
            socket.write(frame(HTTP2.data, 0, id, part));
            window -= part.length;
            sent += part.length;
            rest = part.length === rest.length ? (pieces.next().value as Buffer) : rest.subarray(part.length);
          }
        };
        socket.on("data", (bytes: Buffer) => {
          for (let at = 0; at + 13 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
            if (bytes[at + 3] === HTTP2.windowUpdate && bytes.readUInt32BE(at + 5) === id)
              window += bytes.readUInt32BE(at + 9);
          }
          go();
        });
        go();
      }),
    );
    const agent = await peer.link.agent({ timeoutMs: 60_000 });

    const http = createServer();
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
    const identity = { owner: "owner", hash: "hash", expiresAt: null } as never;
    const connections = { add: () => () => undefined } as never;
    const terminal = {
      id: "main" as TerminalId,
      cols: 80,
      rows: 24,
      startOffset: 0n,
      endOffset: 0n,
      createdUnixMs: 0,
      exit: null,
    };
    http.on("upgrade", (request, socket, head) => {
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        const client = new ClientSocket({ socket: webSocket, transport: socket as Socket, identity, connections });
        const seat = createTerminalSizes().join("main");
        new Attachment({ client, terminal, from: undefined, agent: () => Promise.resolve(agent), size: seat });
      });
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}/`);
    onTestFinished(() => {
      client.terminate();
      http.close();
    });
    await once(client, "open");
    client.pause();

    let last = -1;
    // Held back: between two looks nothing more was taken.
    await poll("the guest to be held back", async () => {
      const before = sent;
      await new Promise((resolve) => setTimeout(resolve, 500));
      last = sent - before;
      return (last === 0 && sent > 65_000) || sent >= FLOOD_BYTES;
    });
    expect(sent).toBeLessThan(32 * MIB);
  },
  180_000,
);
