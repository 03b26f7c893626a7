import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type ServerHttp2Stream } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectUnix } from "@microterm/host";
import type { ListeningPorts } from "@microterm/protocol";
import { describe, expect, it, onTestFinished } from "vitest";
import { createAgentPorts } from "./agent-ports.ts";
import { GuestSession } from "./channel/guest-session.ts";

/** The calls about ports of an agent that answers as it likes. */
async function portsOf(answer: (stream: ServerHttp2Stream) => void, protocol = 4) {
  const folder = await mkdtemp(join(tmpdir(), "mt-"));
  const server = createServer();
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    answer(stream);
  });
  server.on("sessionError", () => {});
  await new Promise<void>((resolve) => server.listen(join(folder, "agent.sock"), () => resolve()));
  const session = new GuestSession(await connectUnix(join(folder, "agent.sock"), { timeoutMs: 30_000 }));
  onTestFinished(async () => {
    session.destroy();
    await session.closed;
    server.close();
    await rm(folder, { recursive: true });
  });
  return { session, ...createAgentPorts(session, protocol) };
}

const silent = { data() {}, ended() {}, closed() {} };

describe("the list of ports", () => {
  const watch = async (answer: (stream: ServerHttp2Stream) => void) => {
    const { watchPorts } = await portsOf(answer);
    const lists: ListeningPorts[] = [];
    const closed = new Promise<Error | undefined>((resolve) => {
      void watchPorts({ ports: (list) => lists.push(list), closed: resolve });
    });
    return { lists, closed };
  };

  it("is read line by line, in whatever pieces it comes", async () => {
    const { lists, closed } = await watch((stream) => {
      stream.respond({ ":status": 200 });
      const text = '{"ports":[22,3000],"truncated":false}\n{"ports":[],"truncated":true}\n';
      for (const byte of Buffer.from(text)) stream.write(Buffer.of(byte));
      stream.end();
    });
    expect(await closed).toMatchObject({ code: "GUEST_UNREACHABLE" });
    expect(lists).toEqual([
      { ports: [22, 3000], truncated: false },
      { ports: [], truncated: true },
    ]);
  });

  it.each([
    ["no JSON", "nonsense\n"],
    ["unknown keys", '{"ports":[],"truncated":false,"more":1}\n'],
    ["no port", '{"ports":[65536],"truncated":false}\n'],
    [
      "more than there may be",
      `${JSON.stringify({ ports: Array.from({ length: 257 }, (_, at) => at + 1), truncated: false })}\n`,
    ],
    ["a line without an end", `{"ports":[${"1,".repeat(10_000)}`],
  ])("ends with GUEST_PROTOCOL where the guest sends %s", async (_name, text) => {
    const { lists, closed } = await watch((stream) => {
      stream.respond({ ":status": 200 });
      stream.write(text);
    });
    expect(await closed).toMatchObject({ code: "GUEST_PROTOCOL" });
    expect(lists).toEqual([]);
  });
});

describe("connections", () => {
  it("are 64 at most, until they have ended, and leave 16 streams to terminals", async () => {
    const { connect, session } = await portsOf((stream) => stream.respond({ ":status": 200 }));
    const open = [];
    for (let at = 0; at < 64; at++) open.push(await connect(80, silent));
    await expect(connect(80, silent)).rejects.toMatchObject({ code: "TOO_MANY" });
    open.pop()?.close();
    await expect.poll(() => connect(80, silent).then((one) => open.push(one))).toBe(64);
    for (const one of open) one.close();
    const others = Array.from({ length: 104 }, () => session.request({ ":path": "/" }, { endStream: false }));
    await expect(connect(80, silent)).rejects.toMatchObject({ code: "TOO_MANY" });
    for (const other of others.slice(0, 65)) other.destroy();
    await expect.poll(() => session.openStreams).toBeLessThan(104);
    (await connect(80, silent)).close();
  });

  it("are refused with what the guest says", async () => {
    const { connect } = await portsOf((stream) => {
      stream.respond({ ":status": 502 });
      stream.end('{"code":"refused","message":"port 80: Connection refused"}');
    });
    await expect(connect(80, silent)).rejects.toMatchObject({ code: "PORT_REFUSED" });
  });

  it("report each side's end by itself, and a reset as an error", async () => {
    const events: string[] = [];
    const recorded = (resolve: () => void) => ({
      data: (bytes: Uint8Array) => events.push(String(bytes.length)),
      ended: () => events.push("ended"),
      closed: (error?: Error) => {
        events.push(error === undefined ? "closed" : "broken");
        resolve();
      },
    });
    const { connect } = await portsOf((stream) => {
      stream.respond({ ":status": 200 });
      stream.once("data", (bytes: Buffer) => {
        if (String(bytes) === "reset") stream.destroy(new Error("reset"));
        else stream.end("bye");
      });
    });
    for (const word of ["end", "reset"]) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const connection = await connect(80, recorded(resolve));
      connection.write(Buffer.from(word));
      if (word === "end") {
        await expect.poll(() => events).toEqual(["3", "ended"]);
        await connection.end();
      }
      await promise;
    }
    expect(events).toEqual(["3", "ended", "closed", "broken"]);
  });
});

it("are nothing that an agent of an older version has", async () => {
  const { watchPorts, connect } = await portsOf(() => {}, 3);
  const unsupported = { code: "UNSUPPORTED", message: expect.stringContaining("stop and start") };
  await expect(watchPorts({ ports() {}, closed() {} })).rejects.toMatchObject(unsupported);
  await expect(connect(80, silent)).rejects.toMatchObject(unsupported);
});
