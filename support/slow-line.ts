import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** So often a line passes something on. */
const TICK_MS = 100;

export interface SlowLine {
  readonly url: string;
  /** Bytes that have come through towards the clients. */
  readonly passed: number;
  /** From now on all passes as it comes. */
  open(): void;
  close(): Promise<void>;
}

/**
 * A TCP proxy before a server on this host, like a slow modem: it passes what clients say at once, and of what the server says
 * `bytesPerSecond`. It reads no more than that from the server's socket, so that the rest waits with the server and its kernel.
 */
export async function startSlowLine(port: number, bytesPerSecond: number): Promise<SlowLine> {
  const sockets = new Set<Socket>();
  const ups = new Set<Socket>();
  const slice = Math.max(1, Math.round((bytesPerSecond * TICK_MS) / 1000));
  let passed = 0;
  let isOpen = false;
  const track = (socket: Socket, other: () => Socket): void => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => {
      sockets.delete(socket);
      ups.delete(socket);
      other().destroy();
    });
  };
  const proxy = createServer((down) => {
    const up = connect({
      port,
      host: "127.0.0.1",
      onread: {
        buffer: () => Buffer.alloc(isOpen ? 65_536 : slice),
        // False: nothing more is read until `resume`.
        callback: (length, bytes) => {
          passed += length;
          const hasRoom = down.write(bytes.subarray(0, length));
          return isOpen && hasRoom;
        },
      },
    });
    ups.add(up);
    down.on("data", (bytes) => up.write(bytes));
    down.on("drain", () => isOpen && up.resume());
    track(down, () => up);
    track(up, () => down);
  });
  const timer = setInterval(() => {
    for (const up of ups) up.resume();
  }, TICK_MS);
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    get passed() {
      return passed;
    },
    open() {
      isOpen = true;
    },
    close: () =>
      new Promise((resolve) => {
        clearInterval(timer);
        proxy.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
