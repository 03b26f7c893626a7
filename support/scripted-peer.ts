import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { makeTempFolder } from "./temp-folder.ts";

/** A unix socket whose other end does what the test likes with each connection. Resolves with its path; gone after the test. */
export async function listenAsPeer(connected: (socket: Socket) => void): Promise<string> {
  const folder = await makeTempFolder();
  const path = join(folder.path, "peer.sock");
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    connected(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await folder.remove();
  });
  return path;
}
