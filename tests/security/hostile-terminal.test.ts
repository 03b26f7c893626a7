import { once } from "node:events";
import type { Socket } from "node:net";
import { TERMINAL_SUBPROTOCOL, type TerminalId } from "@microterm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { encodeFrame } from "../../packages/agent-client/src/channel/frame-encoder.ts";
import { poll } from "../../support/server.ts";
import { serveTerminal } from "../../support/terminal-hub.ts";
import { afterHello, frame, HTTP2, http2Peer, success } from "./raw-http2.ts";

const MIB = 1024 * 1024;
/** The guest goes on up to here. */
const FLOOD_BYTES = 192 * MIB;
/** By then a server that keeps what nobody takes would have grown by more than is allowed: a frame has some 20 bytes here. */
const ENOUGH_BYTES = 4 * MIB;

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
  "a guest that sends %s without end costs no memory while its client reads nothing",
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

    const terminal = {
      id: "main" as TerminalId,
      cols: 80,
      rows: 24,
      startOffset: 0n,
      endOffset: 0n,
      createdUnixMs: 0,
      exit: null,
    };
    const served = await serveTerminal(terminal, async () => ({ ...agent, terminals: async () => [terminal] }));
    const client = new WebSocket(`${served.url.replace("http", "ws")}/`, TERMINAL_SUBPROTOCOL);
    onTestFinished(() => client.terminate());
    await once(client, "open");
    client.pause();

    const before = process.memoryUsage().rss;
    let highest = before;
    // Such a client is not waited for; the screen is drawn at its own pace, and the guest is held to that.
    await poll("the guest to have sent a lot", async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      highest = Math.max(highest, process.memoryUsage().rss);
      return sent >= ENOUGH_BYTES;
    });
    expect(highest - before).toBeLessThan(128 * MIB);
  },
  180_000,
);
