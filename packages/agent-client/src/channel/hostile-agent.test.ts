import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectUnix } from "@microterm/host";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { callJson, openCall, startCall } from "./agent-call.ts";
import { ATTACH_FRAMES } from "./frame-decoder.ts";
import { encodeFrame } from "./frame-encoder.ts";
import { FrameStream } from "./frame-stream.ts";
import { cancelStream, GuestSession } from "./guest-session.ts";

const CALL = { method: "GET", path: "/v1/hello", timeoutMs: 30_000 } as const;
const Anything = z.unknown();

async function sessionWith(server: Server | Http2Server): Promise<GuestSession> {
  const folder = await mkdtemp(join(tmpdir(), "mt-"));
  const path = join(folder, "agent.sock");
  await new Promise<void>((resolve) => server.listen(path, () => resolve()));
  const session = new GuestSession(await connectUnix(path, { timeoutMs: 30_000 }));
  onTestFinished(async () => {
    session.destroy();
    await session.closed;
    server.close();
    await rm(folder, { recursive: true });
  });
  return session;
}

/** An agent that speaks bytes of its own choice. */
const raw = (guest: (socket: Socket) => void): Promise<GuestSession> =>
  sessionWith(
    createServer((socket) => {
      socket.on("error", () => {});
      socket.resume();
      guest(socket);
    }),
  );

/** An agent that speaks HTTP/2 properly, and says what it likes. */
const proper = (answer: (stream: ServerHttp2Stream, socket: Socket) => void): Promise<GuestSession> => {
  const server = createHttp2Server();
  let socket: Socket;
  server.on("connection", (connected: Socket) => {
    socket = connected;
  });
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    answer(stream, socket);
  });
  server.on("sessionError", () => {});
  return sessionWith(server);
};

/** An HTTP/2 frame (RFC 9113, 4.1). */
function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}
const SETTINGS = frame(4, 0, 0, Buffer.alloc(0));
/** Of the client's first stream, with CANCEL. Written past node:http2, which ends a stream properly before it resets it. */
const RESET = frame(3, 0, 1, Buffer.from("00000008", "hex"));

/** Sends a piece again and again, for as long as the peer listens. */
function flood(socket: Socket, piece: Buffer): void {
  const chunk = Buffer.concat(Array.from({ length: Math.ceil(65_536 / piece.length) }, () => piece));
  const go = (): void => {
    for (let sent = 0; sent < 64 && !socket.destroyed; sent += 1) if (!socket.write(chunk)) return;
    if (!socket.destroyed) setImmediate(go);
  };
  socket.on("drain", go);
  go();
}

describe("an agent that breaks HTTP/2", () => {
  const attacks: [string, (socket: Socket) => void][] = [
    ["speaks garbage", (socket) => socket.write(randomBytes(100_000))],
    ["hangs up at once", (socket) => socket.destroy()],
    ["says goodbye", (socket) => socket.write(Buffer.concat([SETTINGS, frame(7, 0, 0, Buffer.alloc(8))]))],
    [
      "announces a frame of 16 MiB",
      (socket) => socket.write(Buffer.concat([SETTINGS, Buffer.from("ffffff000000000001", "hex")])),
    ],
    [
      "resets what was never opened",
      (socket) => socket.write(Buffer.concat([SETTINGS, frame(3, 0, 7, Buffer.alloc(4))])),
    ],
    [
      "compresses headers wrongly",
      (socket) => socket.write(Buffer.concat([SETTINGS, frame(1, 4, 1, randomBytes(64))])),
    ],
    [
      "opens a window past 2^31",
      (socket) => {
        const open = frame(8, 0, 0, Buffer.from("7fffffff", "hex"));
        socket.write(Buffer.concat([SETTINGS, open, open]));
      },
    ],
    [
      "floods with settings of 30 entries",
      (socket) => flood(socket, frame(4, 0, 0, Buffer.alloc(180, Buffer.from("000400010000", "hex")))),
    ],
    [
      "never ends its headers",
      (socket) => {
        socket.write(Buffer.concat([SETTINGS, frame(1, 0, 1, Buffer.from("88", "hex"))]));
        flood(socket, frame(9, 0, 1, Buffer.alloc(16_000, Buffer.from("4001610162", "hex"))));
      },
    ],
  ];

  it.each(attacks)("and %s loses its session", async (_name, attack) => {
    const session = await raw(attack);
    await expect(callJson(session, CALL, Anything)).rejects.toMatchObject({ code: "GUEST_UNREACHABLE" });
    await session.closed;
    expect(() => startCall(session, CALL)).toThrow("ended");
  });

  it.each([100, 102, 103, 199])(
    "and sends one interim answer (%s) loses its session, whatever follows",
    async (status) => {
      const session = await raw((socket) => {
        // A literal `:status` (RFC 7541, 6.2.2): entry 8 is its name.
        const interim = frame(1, 4, 1, Buffer.from(`\x08\x03${status}`, "latin1"));
        socket.write(Buffer.concat([SETTINGS, interim]));
      });
      // Without a deadline: the session ends because of what came, not because nothing did.
      const { answer } = startCall(session, CALL);
      await session.closed;
      await expect(answer).rejects.toMatchObject({ code: "GUEST_UNREACHABLE" });
    },
  );

  it.each([
    ["PINGs", Buffer.concat([frame(6, 0, 0, Buffer.alloc(8))])],
    ["empty SETTINGS", SETTINGS],
    ["pushed streams", frame(5, 4, 1, Buffer.from("00000002828684", "hex"))],
    ["empty DATA", frame(0, 0, 1, Buffer.alloc(0))],
  ])("and floods with %s gets no answer past the deadline, and costs no memory", async (_name, piece) => {
    const session = await raw((socket) => {
      socket.write(SETTINGS);
      flood(socket, piece);
    });
    const before = process.memoryUsage.rss();
    await expect(callJson(session, { ...CALL, timeoutMs: 1500 }, Anything)).rejects.toMatchObject({
      code: "GUEST_UNREACHABLE",
    });
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 1024 * 1024);
  });
});

describe("an agent that answers wrongly", () => {
  it.each([
    ["no JSON", "nonsense", "GUEST_PROTOCOL"],
    ["unknown keys", '{"a":1,"b":2}', "GUEST_PROTOCOL"],
    ["more than was asked for", `{"a":"${"x".repeat(300_000)}"}`, "GUEST_PROTOCOL"],
  ])("with %s is distinguished", async (_name, body, code) => {
    const session = await proper((stream) => {
      stream.respond({ ":status": 200 });
      stream.end(body);
    });
    await expect(callJson(session, CALL, z.strictObject({ a: z.number() }))).rejects.toMatchObject({ code });
  });

  it("with an error that is none", async () => {
    const session = await proper((stream) => {
      stream.respond({ ":status": 500 });
      stream.end('{"code":"surprise","message":"x"}');
    });
    await expect(openCall(session, CALL)).rejects.toMatchObject({ code: "GUEST_PROTOCOL" });
  });

  it("with a refusal whose text would drive a terminal, is quoted without it", async () => {
    const session = await proper((stream) => {
      stream.respond({ ":status": 404 });
      stream.end(JSON.stringify({ code: "not-found", message: "no\u001b[2J\u0007 such thing" }));
    });
    await expect(openCall(session, CALL)).rejects.toMatchObject({ code: "not-found", message: "no such thing" });
  });

  it("never, ends at the deadline, and the session with it when it does not answer a PING", async () => {
    const session = await raw((socket) => socket.write(SETTINGS));
    await expect(callJson(session, { ...CALL, timeoutMs: 100 }, Anything)).rejects.toMatchObject({
      code: "GUEST_UNREACHABLE",
    });
    await session.closed;
  }, 90_000);

  it("by resetting the stream, before or within its answer", async () => {
    const before = await proper((stream) => stream.close(2));
    await expect(callJson(before, CALL, Anything)).rejects.toMatchObject({ code: "GUEST_UNREACHABLE" });
    const within = await proper((stream, socket) => {
      stream.respond({ ":status": 200 });
      stream.write('{"a":');
      setImmediate(() => socket.write(RESET));
    });
    await expect(callJson(within, CALL, Anything)).rejects.toMatchObject({ code: "GUEST_UNREACHABLE" });
  });
});

it("an upload that is given up is reset, and never looks complete", async () => {
  const seen: string[] = [];
  const { promise, resolve } = Promise.withResolvers<number>();
  const session = await proper((stream) => {
    stream.on("data", () => seen.push("data"));
    stream.on("end", () => seen.push(stream.aborted ? "end after reset" : "end"));
    stream.on("close", () => resolve(stream.rstCode ?? -1));
  });
  const { stream } = startCall(session, { ...CALL, method: "PUT", isStreaming: true });
  stream.write("half");
  await expect.poll(() => seen).toEqual(["data"]);
  stream.write("and a little more");
  cancelStream(stream);
  expect(await promise).not.toBe(0);
  expect(seen).not.toContain("end");
});

describe("a stream of frames", () => {
  const open = async (write: (stream: ServerHttp2Stream, socket: Socket) => void) => {
    const session = await proper((stream, socket) => {
      stream.respond({ ":status": 200 });
      write(stream, socket);
    });
    const { stream, answer } = startCall(session, { ...CALL, method: "POST", isStreaming: true });
    await answer;
    const pieces: string[] = [];
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    let frames: FrameStream | undefined;
    frames = new FrameStream(stream, ATTACH_FRAMES, {
      piece: ({ body }) => {
        pieces.push(body.toString());
        if (body.toString() === "stop") frames?.pause();
      },
      closed: resolve,
    });
    return { frames, pieces, closed: promise };
  };
  const output = (text: string): Buffer => encodeFrame(1, Buffer.concat([Buffer.alloc(8), Buffer.from(text)]));

  it("that is paused within a chunk delivers the rest when it is resumed, then its end", async () => {
    const { frames, pieces, closed } = await open((stream) =>
      stream.end(Buffer.concat(["a", "stop", "b"].map(output))),
    );
    await expect.poll(() => pieces).toEqual(["a", "stop"]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(pieces).toEqual(["a", "stop"]);
    frames.resume();
    expect(await closed).toBeUndefined();
    expect(pieces).toEqual(["a", "stop", "b"]);
  });

  it("that ends within a frame, or sends an unknown one, ends with GUEST_PROTOCOL", async () => {
    const cut = await open((stream) => stream.end(output("half").subarray(0, 15)));
    expect(await cut.closed).toMatchObject({ code: "GUEST_PROTOCOL" });
    const unknown = await open((stream) => stream.write(encodeFrame(0x33, Buffer.alloc(3))));
    expect(await unknown.closed).toMatchObject({ code: "GUEST_PROTOCOL" });
  });

  it("that is reset ends with GUEST_UNREACHABLE", async () => {
    const reset = await open((_stream, socket) => setImmediate(() => socket.write(RESET)));
    expect(await reset.closed).toMatchObject({ code: "GUEST_UNREACHABLE" });
  });

  it("whose guest reads nothing says so after 256 KiB of input", async () => {
    const { frames } = await open((stream) => stream.pause());
    let sent = 0;
    while (frames.send(0x41, Buffer.alloc(16_384))) sent += 16_384;
    expect(sent).toBeGreaterThanOrEqual(256 * 1024 - 2 * 16_384);
    expect(sent).toBeLessThan(512 * 1024);
    frames.close();
    await frames.drained();
  });
});
