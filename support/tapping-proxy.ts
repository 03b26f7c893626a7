import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";

/** A binary WebSocket message that passed on its way to the browser. */
export interface PassedMessage {
  /** The path and query that the browser had asked for. */
  readonly path: string;
  /** Counts the proxy's WebSockets from 0. */
  readonly connection: number;
  readonly bytes: Buffer;
}

export interface TappingProxy {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * An HTTP proxy for a browser that shows every WebSocket message before the browser gets it. Chromium's own instrumentation is no
 * substitute: it drops the last messages of a page that is refreshed, although the page has seen them.
 */
export async function startTappingProxy(onMessage: (message: PassedMessage) => void): Promise<TappingProxy> {
  const open = new Set<Duplex>();
  let connections = 0;
  const proxy = createServer(forward);
  proxy.on("connection", (socket) => track(socket));
  // A browser reaches WebSockets through a proxy by CONNECT (RFC 6455, section 4.1).
  proxy.on("connect", (wanted, down: Socket) => {
    const { hostname, port } = new URL(`http://${wanted.url}`);
    const up = connect(Number(port), hostname, () => down.write("HTTP/1.1 200 OK\r\n\r\n"));
    track(up);
    const connection = connections++;
    let path = "";
    const parser = createMessageParser((bytes) => onMessage({ path, connection, bytes }));
    down.on("data", (bytes: Buffer) => {
      // The request's head comes first and alone: the browser waits for its answer.
      if (path === "") path = bytes.toString("latin1").split(" ", 2)[1] ?? "";
      up.write(bytes);
    });
    up.on("data", (bytes: Buffer) => {
      parser(bytes);
      if (!down.write(bytes)) up.pause();
    });
    down.on("drain", () => up.resume());
    down.on("close", () => up.destroy());
    up.on("close", () => down.destroy());
  });
  function track(socket: Duplex): void {
    open.add(socket);
    // A server that is killed, a page that is closed: 'close' follows and says the same.
    socket.on("error", () => undefined);
    socket.once("close", () => open.delete(socket));
  }
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        proxy.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** A plain request through a proxy names its whole address (RFC 9112, section 3.2.2). */
function forward(asked: IncomingMessage, answer: ServerResponse): void {
  const onward = request(asked.url ?? "", { method: asked.method, headers: asked.headers, agent: false });
  onward.on("error", () => answer.destroy());
  onward.on("response", (response) => {
    answer.writeHead(response.statusCode ?? 502, response.headers);
    response.on("error", () => answer.destroy());
    response.pipe(answer);
  });
  answer.on("close", () => onward.destroy());
  asked.pipe(onward);
}

/** Reads a server's half of a WebSocket: the head of its answer, then frames that are neither masked nor fragmented (RFC 6455, section 5.2). */
function createMessageParser(onBinary: (bytes: Buffer) => void): (bytes: Buffer) => void {
  let rest = Buffer.alloc(0);
  let isOpen = false;
  const frameEnd = (): { start: number; end: number } | null => {
    if (rest.length < 2 || rest.length < 2 + lengthBytes(rest)) return null;
    const size = lengthBytes(rest);
    const start = 2 + size;
    const length =
      size === 0 ? (rest[1] ?? 0) & 0x7f : size === 2 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
    return rest.length < start + length ? null : { start, end: start + length };
  };
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    if (!isOpen) {
      const head = rest.indexOf("\r\n\r\n");
      if (head < 0) return;
      isOpen = true;
      rest = rest.subarray(head + 4);
    }
    for (let frame = frameEnd(); frame !== null; frame = frameEnd()) {
      if (((rest[0] ?? 0) & 0x0f) === 2) onBinary(Buffer.from(rest.subarray(frame.start, frame.end)));
      rest = rest.subarray(frame.end);
    }
  };
}

/** How many bytes give the payload's length beside the second byte of a frame. */
const lengthBytes = (frame: Buffer): number => {
  const seven = (frame[1] ?? 0) & 0x7f;
  return seven === 126 ? 2 : seven === 127 ? 8 : 0;
};
