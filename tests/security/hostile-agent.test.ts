import { randomBytes } from "node:crypto";
import type { TerminalId } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../packages/agent-client/src/channel/frame-encoder.ts";
import {
  afterHello,
  answer,
  flood,
  frame,
  HTTP2,
  http2Peer,
  type OnRequest,
  rawPeer,
  SETTINGS,
  success,
} from "./raw-http2.ts";

// What a broken frame or a wrong answer does to one session is in packages/agent-client/src/channel; here a whole agent is hostile.
const MIB = 1024 * 1024;
const DEADLINE_MS = 3000;

/** The largest growth of this process while `work` ran, bytes. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss();
  let largest = before;
  const timer = setInterval(() => {
    largest = Math.max(largest, process.memoryUsage.rss());
  }, 10);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return Math.max(largest, process.memoryUsage.rss()) - before;
}

describe("an agent that does not shake hands", () => {
  const peers: [string, string, OnRequest][] = [
    ["another version", "GUEST_PROTOCOL", (socket, id) => socket.write(answer(id, hello({ protocol: 2 })))],
    ["unknown keys", "GUEST_PROTOCOL", (socket, id) => socket.write(answer(id, hello({ extra: 1 })))],
    [
      "a boot id of 100 kB",
      "GUEST_PROTOCOL",
      (socket, id) => socket.write(answer(id, hello({ bootId: "x".repeat(15_000) }))),
    ],
    [
      "JSON without end",
      "GUEST_PROTOCOL",
      (socket, id) => {
        socket.write(success(id));
        flood(socket, frame(HTTP2.data, 0, id, Buffer.alloc(8000, "[")));
      },
    ],
    ["headers and silence", "GUEST_UNREACHABLE", (socket, id) => socket.write(success(id))],
    [
      "interim answers without end",
      "GUEST_UNREACHABLE",
      (socket, id) => flood(socket, frame(HTTP2.headers, HTTP2.endHeaders, id, Buffer.from("0803313032", "hex"))),
    ],
    [
      "resets without end",
      "GUEST_UNREACHABLE",
      (socket, id) => flood(socket, frame(HTTP2.reset, 0, id, Buffer.from("00000008", "hex"))),
    ],
    [
      "window updates without end",
      "GUEST_UNREACHABLE",
      (socket, id) => flood(socket, frame(HTTP2.windowUpdate, 0, id, Buffer.from("00000001", "hex"))),
    ],
  ];

  it.each(peers)("but sends %s, is %s by the deadline, for little memory", async (_name, code, onRequest) => {
    const { link, connections } = await http2Peer(onRequest);
    const grown = await growth(() => expect(link.agent({ timeoutMs: DEADLINE_MS })).rejects.toMatchObject({ code }));
    expect(grown).toBeLessThan(150 * MIB);
    // Tried again with growing pauses, never in a tight loop.
    expect(connections()).toBeLessThan(12);
  });

  const magic = randomBytes(16);
  it.each([
    ["says nothing at all", () => undefined],
    [
      "answers with a marker of its own choice",
      (socket) => socket.on("data", () => socket.write(Buffer.concat([magic, randomBytes(16)]))),
    ],
    ["repeats half of the marker for ever", (socket) => flood(socket, magic)],
    [
      "echoes and then speaks garbage",
      (socket) => socket.on("data", (bytes) => socket.write(Buffer.concat([bytes, randomBytes(4096)]))),
    ],
  ] satisfies [string, Parameters<typeof rawPeer>[0]][])(
    "on a channel where it %s, is GUEST_UNREACHABLE",
    async (_name, attack) => {
      const { link } = await rawPeer(attack, magic);
      const grown = await growth(() =>
        expect(link.agent({ timeoutMs: DEADLINE_MS })).rejects.toMatchObject({ code: "GUEST_UNREACHABLE" }),
      );
      expect(grown).toBeLessThan(150 * MIB);
    },
  );
});

function hello(change: object): object {
  return { protocol: 1, agent: "0.1.0", bootId: "b", uptimeMs: 1, ...change };
}

describe("an agent that turns hostile after the handshake", () => {
  const connected = async (attack: OnRequest) => {
    const peer = await http2Peer(afterHello(attack));
    return { ...peer, agent: await peer.link.agent({ timeoutMs: 60_000 }) };
  };

  it("and sends a list in frames of one byte ends in GUEST_PROTOCOL, for little memory", async () => {
    const { agent } = await connected((socket, id) => {
      socket.write(success(id));
      flood(socket, frame(HTTP2.data, 0, id, Buffer.from(" ")));
    });
    const failed = growth(() => expect(agent.list(".")).rejects.toMatchObject({ name: "PlatformError" }));
    expect(await failed).toBeLessThan(200 * MIB);
  }, 180_000);

  it("and answers many calls with the largest lists at once costs no more than a few of them", async () => {
    const { agent } = await connected((socket, id) => {
      socket.write(success(id));
      flood(socket, frame(HTTP2.data, 0, id, Buffer.alloc(16_000, " ")));
    });
    const grown = await growth(() =>
      Promise.all(
        Array.from({ length: 64 }, () => expect(agent.list(".")).rejects.toMatchObject({ name: "PlatformError" })),
      ),
    );
    expect(grown).toBeLessThan(400 * MIB);
  }, 180_000);

  it("and goes back in a terminal's output loses that stream alone", async () => {
    const output = (offset: bigint, text: string): Buffer => {
      const head = Buffer.alloc(8);
      head.writeBigUInt64BE(offset);
      return encodeFrame(0x01, Buffer.concat([head, Buffer.from(text)]));
    };
    const size = encodeFrame(0x04, Buffer.from("00000000000000000050" + "0018", "hex"));
    const { agent } = await connected((socket, id, index) => {
      if (index > 1) return void socket.write(answer(id, { terminals: [] }));
      const body = Buffer.concat([size, output(0n, "abc"), output(1n, "bc")]);
      socket.write(Buffer.concat([success(id), frame(HTTP2.data, 0, id, body)]));
    });
    const seen: string[] = [];
    const { promise: closed, resolve } = Promise.withResolvers<Error | undefined>();
    await agent.attach("main" as TerminalId, {
      events: {
        output: (offset, bytes) => seen.push(`${offset} ${Buffer.from(bytes)}`),
        gap: () => seen.push("gap"),
        resized: () => undefined,
        exited: () => seen.push("exit"),
        closed: resolve,
      },
    });
    expect(await closed).toMatchObject({ code: "GUEST_PROTOCOL" });
    expect(seen).toEqual(["0 abc"]);
    expect(await agent.terminals()).toEqual([]);
  });

  it.each([
    ["more", 4, "12345678"],
    ["fewer", 10, "123"],
  ])("and sends %s bytes of a file than it had announced fails the download", async (_name, announced, body) => {
    const { agent } = await connected((socket, id) => {
      // A literal header field with an indexed name: content-length is entry 28 (RFC 7541, 6.2.2).
      const length = Buffer.concat([Buffer.of(0x0f, 0x0d, `${announced}`.length), Buffer.from(`${announced}`)]);
      const headers = frame(HTTP2.headers, HTTP2.endHeaders, id, Buffer.concat([Buffer.of(0x88), length]));
      socket.write(Buffer.concat([headers, frame(HTTP2.data, HTTP2.endStream, id, Buffer.from(body))]));
    });
    const download = async () => {
      const { body: chunks } = await agent.read("file");
      const got: Uint8Array[] = [];
      for await (const chunk of chunks) got.push(chunk);
      return Buffer.concat(got).toString();
    };
    await expect(download()).rejects.toMatchObject({ code: expect.stringMatching(/^GUEST_(PROTOCOL|UNREACHABLE)$/) });
  });

  it("and sends past every window loses the connection, while the reader of a file takes nothing", async () => {
    const { agent } = await connected((socket, id) => {
      socket.write(success(id));
      flood(socket, frame(HTTP2.data, 0, id, Buffer.alloc(16_000)));
    });
    const grown = await growth(async () => {
      await agent.read("file").catch(() => undefined);
      await agent.closed;
    });
    expect(grown).toBeLessThan(150 * MIB);
  });

  it("and falls silent is given up at the call's deadline, and its connection after that", async () => {
    const { agent, link } = await connected(() => undefined);
    await expect(agent.metrics()).rejects.toMatchObject({ code: "GUEST_UNREACHABLE" });
    await agent.closed;
    // The next caller gets a new connection.
    expect((await link.agent({ timeoutMs: 60_000 })).hello.protocol).toBe(1);
  }, 180_000);

  it("and floods with PINGs and SETTINGS while it is asked does not stop this process", async () => {
    const { agent } = await connected((socket) => {
      flood(socket, Buffer.concat([frame(HTTP2.ping, 0, 0, Buffer.alloc(8)), SETTINGS]));
    });
    const abort = AbortSignal.timeout(DEADLINE_MS);
    const grown = await growth(() => expect(agent.metrics({ signal: abort })).rejects.toThrow());
    expect(grown).toBeLessThan(200 * MIB);
  });
});
