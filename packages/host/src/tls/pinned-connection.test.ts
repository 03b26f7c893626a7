import { once } from "node:events";
import { createServer as createTcpServer, type Server } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { expect, it, onTestFinished } from "vitest";
import { createKeyPair, fingerprintOf, type KeyPair, toPem } from "./key-pair.ts";
import { connectPinned } from "./pinned-connection.ts";

const [own, agent] = [createKeyPair("microterm"), createKeyPair("abcdefghijklmnop")];
const LIMITS = { timeoutMs: 10_000 };

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

/** One with that key, which asks its clients for a certificate and takes any. */
function serve({ key, certificate }: KeyPair, connected: (socket: TLSSocket) => void): Promise<number> {
  const pem = { key: toPem("PRIVATE KEY", key), cert: toPem("CERTIFICATE", certificate) };
  const server = createServer({ ...pem, requestCert: true, rejectUnauthorized: false }, connected);
  server.on("tlsClientError", () => {});
  return listen(server);
}

const peer = (port: number, pinned: KeyPair) => ({
  ...{ address: "127.0.0.1", port, fingerprint: fingerprintOf(pinned.certificate) },
  stranger: (place: string) => new Error(`a stranger at ${place}`),
});

it("shows its own certificate to who has the key of the pinned one", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const port = await serve(agent, (socket) => {
    resolve(fingerprintOf(socket.getPeerX509Certificate()?.raw ?? Buffer.of()));
    socket.end(`hello by ${socket.getProtocol()}`);
  });
  const socket = await connectPinned(peer(port, agent), own, LIMITS);
  expect(await promise).toBe(fingerprintOf(own.certificate));
  const [said] = (await once(socket, "data")) as [Buffer];
  expect(String(said)).toBe("hello by TLSv1.3");
  socket.destroy();
});

it("sends nothing to who has another key, though its names be the same", async () => {
  const received: Buffer[] = [];
  const port = await serve(createKeyPair("abcdefghijklmnop"), (socket) => {
    socket.on("data", (chunk: Buffer) => received.push(chunk));
    socket.on("error", () => {});
  });
  await expect(connectPinned(peer(port, agent), own, LIMITS)).rejects.toThrow("a stranger at 127.0.0.1");
  expect(received).toEqual([]);
});

it("gives up on who speaks no TLS, says nothing, or hangs up, and when it is told to", async () => {
  const noise = await listen(createTcpServer((socket) => socket.on("error", () => {}).end("SSH-2.0-x\r\n")));
  await expect(connectPinned(peer(noise, agent), own, LIMITS)).rejects.toThrow();
  const closed = await listen(createTcpServer((socket) => socket.on("error", () => {}).destroy()));
  await expect(connectPinned(peer(closed, agent), own, LIMITS)).rejects.toThrow();
  const silent = await listen(createTcpServer((socket) => void onTestFinished(() => void socket.destroy())));
  await expect(connectPinned(peer(silent, agent), own, { timeoutMs: 200 })).rejects.toThrow("within");
  const signal = AbortSignal.abort(new Error("changed my mind"));
  await expect(connectPinned(peer(silent, agent), own, { ...LIMITS, signal })).rejects.toThrow("changed my mind");
});
