import type { Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { listenAsPeer } from "../../../support/scripted-peer.ts";
import { createHostDaemonClient } from "./daemon/host-daemon-client.ts";
import { connectQmp } from "./qmp/qmp-client.ts";

const answering = (answer: (request: { id: number }, socket: Socket) => void) => (socket: Socket) => {
  socket.on("data", (chunk: Buffer) => {
    for (const line of chunk.toString().trim().split("\n")) answer(JSON.parse(line), socket);
  });
};

describe("the client of microterm-host", () => {
  const clientOf = (socketPath: string) => {
    const client = createHostDaemonClient({ socketPath });
    onTestFinished(() => client.close());
    return client;
  };

  it("says that the daemon is away when nobody listens", async () => {
    await expect(clientOf("/nonexistent/host.sock").list()).rejects.toMatchObject({ code: "HOST_DAEMON_UNAVAILABLE" });
  });

  it.each([
    ["no-space", "HOST_OUT_OF_DISK"],
    ["no-memory", "HOST_OUT_OF_MEMORY"],
    ["busy", "ENVIRONMENT_STATE"],
    ["internal", "INTERNAL"],
  ])("tells %s as %s", async (code, expected) => {
    const path = await listenAsPeer(
      answering(({ id }, socket) => socket.write(`${JSON.stringify({ id, error: { code, message: "so" } })}\n`)),
    );
    const refused = clientOf(path).createDisk("abcdefgh", 64);
    await expect(refused).rejects.toMatchObject({ code: expected, hostCode: code });
  });

  it("refuses an answer of another shape", async () => {
    const path = await listenAsPeer(
      answering(({ id }, socket) => socket.write(`${JSON.stringify({ id, ok: { pid: "x" } })}\n`)),
    );
    await expect(clientOf(path).hello()).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("asks again over a new connection when one is lost, but launches once", async () => {
    const asked: string[] = [];
    let connections = 0;
    const path = await listenAsPeer((socket) => {
      connections += 1;
      const isFirst = connections % 2 === 1;
      answering((request, peer) => {
        asked.push(String((request as { verb?: string }).verb));
        if (isFirst) peer.destroy();
        else peer.write(`${JSON.stringify({ id: request.id, ok: { machines: [], disks: [] } })}\n`);
      })(socket);
    });
    const client = clientOf(path);
    expect(await client.list()).toEqual({ machines: [], disks: [] });
    expect(asked).toEqual(["list", "list"]);
    // The next connection is one that dies again.
    client.close();
    const other = clientOf(path);
    const launch = {
      machineId: "abcdefgh",
      image: "k",
      diskId: null,
      memoryMib: 64,
      cpus: 1,
      accelerator: "tcg",
      magic: "",
    };
    await expect(other.launch(launch as never)).rejects.toMatchObject({ code: "HOST_DAEMON_UNAVAILABLE" });
    expect(asked).toEqual(["list", "list", "machine.launch"]);
  });

  it("hears at once why it is turned away", async () => {
    let connections = 0;
    const path = await listenAsPeer((socket) => {
      connections += 1;
      socket.resume();
      socket.end(`${JSON.stringify({ id: null, error: { code: "denied", message: "uid 7 may not" } })}\n`);
    });
    const refused = clientOf(path).hello();
    await expect(refused).rejects.toMatchObject({
      code: "HOST_DAEMON_UNAVAILABLE",
      message: expect.stringContaining("uid 7 may not"),
      hostCode: "denied",
    });
    expect(connections).toBe(1);
  });

  it("gives up a daemon that sends garbage", async () => {
    const path = await listenAsPeer(answering((_request, socket) => socket.write("garbage\n")));
    await expect(clientOf(path).list()).rejects.toMatchObject({ code: "HOST_DAEMON_UNAVAILABLE" });
  });
});

describe("the client of QEMU's monitor", () => {
  const GREETING = '{"QMP":{"version":{},"capabilities":[]}}\n';
  const connect = (path: string) => connectQmp({ path, timeoutMs: 500, onEvent: () => {} });

  it("negotiates, hears events, and takes the console's raw bytes", async () => {
    const events: string[] = [];
    const path = await listenAsPeer((socket) => {
      socket.write(GREETING);
      answering((request, peer) => {
        const { execute } = request as unknown as { execute: string };
        if (execute === "qmp_capabilities") peer.write('{"event":"SHUTDOWN","data":{"guest":true},"timestamp":{}}\n');
        const answer = execute === "ringbuf-read" ? Buffer.from([0xff, 0x0a, 0x00]).toString("base64") : {};
        peer.write(`${JSON.stringify({ return: answer, id: request.id })}\n`);
      })(socket);
    });
    const qmp = await connectQmp({ path, timeoutMs: 60_000, onEvent: ({ name }) => events.push(name) });
    onTestFinished(() => qmp.close());
    expect(events).toEqual(["SHUTDOWN"]);
    expect(await qmp.takeConsole("con")).toEqual(Buffer.from([0xff, 0x0a, 0x00]));
  });

  it.each([
    ["says nothing", ""],
    ["greets and then says nothing", GREETING],
    ["sends garbage", "garbage\n"],
    ["never ends a line", "x".repeat(1_000_000)],
  ])("gives up a VMM that %s", async (_name, text) => {
    const path = await listenAsPeer((socket) => socket.write(text));
    await expect(connect(path)).rejects.toThrow(/QEMU's monitor/);
  });

  it("reads a bounded number of lines a second of a VMM that floods it, and hears the rest later", async () => {
    const flood = '{"event":"STOP"}\n'.repeat(50_000);
    let isBlocked = false;
    let heard = 0;
    const path = await listenAsPeer((socket) => {
      socket.write(GREETING);
      answering(({ id }, peer) => {
        peer.write(`${JSON.stringify({ return: {}, id })}\n`);
        isBlocked = !peer.write(flood);
      })(socket);
    });
    const qmp = await connectQmp({ path, timeoutMs: 60_000, onEvent: () => heard++ });
    onTestFinished(() => qmp.close());
    await expect.poll(() => heard, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(isBlocked).toBe(true);
    // What one chunk holds is heard at once.
    expect(heard).toBeLessThan(10_000);
  });

  it("rejects what is under way when the VMM hangs up", async () => {
    const path = await listenAsPeer((socket) => {
      socket.write(GREETING);
      answering((request, peer) => {
        if ((request as unknown as { execute: string }).execute === "query-status") peer.destroy();
        else peer.write(`${JSON.stringify({ return: {}, id: request.id })}\n`);
      })(socket);
    });
    const qmp = await connect(path);
    await expect(qmp.status()).rejects.toThrow("hung up");
    await qmp.closed;
  });
});
