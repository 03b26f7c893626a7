import { once } from "node:events";
import { createServer } from "node:http2";
import type { Socket } from "node:net";
import { expect, it, onTestFinished, vi } from "vitest";
import { listenAsPeer } from "../../../support/scripted-peer.ts";
import { AgentLink } from "./agent-link.ts";
import { openResynced } from "./channel/resync.ts";

const KEY = Buffer.from("00112233445566778899aabbccddeeff", "hex");
const HELLO = {
  protocol: 4,
  agent: "0.1.0",
  bootId: "6f1b4e0a-7f9e-4e56-9f3a-4d7b2f0c1a55",
  uptimeMs: 1,
  sealed: false,
};

/** An agent that echoes the marker and says hello, behind a socket of which the first connections go wrong as the test says. */
async function startGuest(wrong: readonly ((socket: Socket) => void)[]) {
  const agent = createServer();
  agent.on("sessionError", () => {});
  agent.on("stream", (stream) => {
    stream.respond({ ":status": 200 });
    stream.end(JSON.stringify(HELLO));
  });
  const guest = { connections: 0 };
  const path = await listenAsPeer(async (socket) => {
    const goWrong = wrong[guest.connections];
    guest.connections += 1;
    if (goWrong !== undefined) return goWrong(socket);
    const [marker] = (await once(socket, "data")) as [Buffer];
    socket.write(marker);
    agent.emit("connection", socket);
  });
  return { guest, path };
}

function linkTo(path: string, options: { readonly retriesAtOnce?: number; readonly attemptMs?: number } = {}) {
  const link = new AgentLink({ open: (limits) => openResynced(path, KEY, limits), ...options });
  onTestFinished(() => link.end("the test has ended"));
  return link;
}

const dies = (socket: Socket): void => void socket.destroy();
/** As Firecracker's vsock does after a restore: the marker arrives, and the connection dies. */
const diesLater = (socket: Socket): void => void socket.once("data", () => socket.destroy());

it("opens a channel again at once that died before its handshake, without any wait", async () => {
  const { guest, path } = await startGuest([dies, diesLater, dies]);
  // Nothing moves this clock: an attempt that waited would never be made.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const agent = await linkTo(path, { retriesAtOnce: 3 }).agent({ timeoutMs: 1000 });
  expect(agent.hello.bootId).toBe(HELLO.bootId);
  expect(guest.connections).toBe(4);
});

it("gives up a channel that stays silent after its own deadline, and opens another", async () => {
  const { guest, path } = await startGuest([() => {}]);
  await linkTo(path, { retriesAtOnce: 1, attemptMs: 100 }).agent({ timeoutMs: 30_000 });
  expect(guest.connections).toBe(2);
});
