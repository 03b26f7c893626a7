import { readFileSync } from "node:fs";
import type { ExecEvents, TerminalEvents } from "@microterm/core";
import { FRAME } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  ATTACH_FRAMES,
  EXEC_FRAMES,
  FrameDecoder,
  FrameError,
  INPUT_FRAMES,
  NAME_FRAMES,
} from "./channel/frame-decoder.ts";
import { encodeFrame, resizePayload } from "./channel/frame-encoder.ts";
import { ExecReader, InputReader, TerminalReader } from "./frame-readers.ts";
import { answerPayload, NameReader } from "./name-stream.ts";

const Fixture = z.strictObject({
  version: z.literal(1),
  frames: z.array(
    z.strictObject({
      name: z.string(),
      sender: z.enum(["agent", "host"]),
      hex: z.string(),
      frame: z.looseObject({ type: z.string() }),
    }),
  ),
  refused: z.array(
    z.strictObject({ name: z.string(), sender: z.enum(["agent", "host"]), hex: z.string(), error: z.string() }),
  ),
});

/** Made and checked by the agent's own tests as well (fixtures/agent/README.md). */
const fixtures = ["frames.json", "names.json"].map((file) =>
  Fixture.parse(JSON.parse(readFileSync(new URL(`../../../fixtures/agent/${file}`, import.meta.url), "utf8"))),
);
const golden = {
  frames: fixtures.flatMap(({ frames }) => frames),
  refused: fixtures.flatMap(({ refused }) => refused),
};

const exitOf = ({ code, signal }: { code: number | null; signal: number | null }) =>
  code === null ? { signal } : { code };
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Decodes one frame of an agent as an attach or an exec would, and tells it as the fixture does. */
function read(bytes: Buffer): unknown[] {
  const type = bytes[0] as number;
  const seen: unknown[] = [];
  const terminal: TerminalEvents = {
    output: (offset, output) => seen.push({ type: "output", offset: Number(offset), bytes: hex(output) }),
    gap: (from, to) => seen.push({ type: "gap", from: Number(from), to: Number(to) }),
    resized: (offset, cols, rows) => seen.push({ type: "resize", offset: Number(offset), cols, rows }),
    exited: (offset, exit) => seen.push({ type: "exit", offset: Number(offset), ended: exitOf(exit) }),
    closed: () => {},
  };
  const exec: ExecEvents = {
    started: (pid) => seen.push({ type: "started", pid }),
    stdout: (output) => seen.push({ type: "stdout", bytes: hex(output) }),
    stderr: (output) => seen.push({ type: "stderr", bytes: hex(output) }),
    exited: (exit) => seen.push({ type: "exited", ended: exitOf(exit) }),
    failed: (json) => seen.push({ type: "failed", json }),
    closed: () => {},
  };
  if (type === FRAME.inputAck) {
    const acknowledged = new InputReader({
      acknowledged: (offset) => seen.push({ type: "inputAck", offset: Number(offset) }),
      closed: () => {},
    });
    const decoder = new FrameDecoder(INPUT_FRAMES);
    decoder.push(bytes);
    for (let piece = decoder.next(); piece !== undefined; piece = decoder.next()) acknowledged.piece(piece);
    return seen;
  }
  if (type > FRAME.failed) {
    const names = new NameReader(
      async ({ message, transport }) => {
        seen.push({ type: "query", id: bytes.readUInt32BE(5), transport, message: hex(message) });
        return message;
      },
      () => {},
    );
    const decoder = new FrameDecoder(NAME_FRAMES);
    decoder.push(bytes);
    for (let piece = decoder.next(); piece !== undefined; piece = decoder.next()) names.piece(piece);
    return seen;
  }
  const isExec = type >= FRAME.started;
  const decoder = new FrameDecoder(isExec ? EXEC_FRAMES : ATTACH_FRAMES);
  const offset = bytes.length >= 13 ? bytes.readBigUInt64BE(5) : 0n;
  const reader = isExec ? new ExecReader(exec) : new TerminalReader(terminal, undefined);
  // What must come before the frame, so that only the frame itself can be wrong.
  if (isExec && type !== FRAME.started && type !== FRAME.failed)
    decoder.push(encodeFrame(FRAME.started, Buffer.alloc(4)));
  if (!isExec && type !== FRAME.resized) {
    const size = Buffer.concat([Buffer.alloc(8), resizePayload(80, 24)]);
    size.writeBigUInt64BE(offset, 0);
    decoder.push(encodeFrame(FRAME.resized, size));
  }
  decoder.push(bytes);
  for (let piece = decoder.next(); piece !== undefined; piece = decoder.next()) reader.piece(piece);
  return seen;
}

describe("golden frames", () => {
  const agents = golden.frames.filter(({ sender }) => sender === "agent");
  it.each(agents)("of the agent: $name", ({ hex: text, frame }) => {
    const last = read(Buffer.from(text, "hex")).at(-1);
    // A reader hands on no empty output.
    if (frame.bytes === "") expect(last).not.toMatchObject({ type: frame.type });
    else expect(last).toEqual(frame);
  });

  const hosts = golden.frames.filter(({ sender }) => sender === "host");
  it.each(hosts)("of the host: $name", ({ hex: text, frame }) => {
    const payloads: Record<string, () => Buffer> = {
      input: () => encodeFrame(FRAME.input, Buffer.from(String(frame.bytes), "hex")),
      resize: () => encodeFrame(FRAME.resize, resizePayload(Number(frame.cols), Number(frame.rows))),
      stdinEof: () => encodeFrame(FRAME.stdinEof, Buffer.alloc(0)),
      signal: () => encodeFrame(FRAME.signal, Uint8Array.of(Number(frame.signal))),
      answer: () =>
        encodeFrame(FRAME.nameAnswer, answerPayload(Number(frame.id), Buffer.from(String(frame.message), "hex"))),
      start: () => encodeFrame(FRAME.start, Buffer.from(JSON.stringify(frame.json))),
    };
    const encoded = payloads[frame.type]?.() ?? Buffer.alloc(0);
    // JSON may be written in more ways than one.
    if (frame.type === "start") expect(JSON.parse(Buffer.from(text, "hex").toString("utf8", 5))).toEqual(frame.json);
    else expect(hex(encoded)).toBe(text);
    expect(encoded[0]).toBe(Number.parseInt(text.slice(0, 2), 16));
  });

  const refused = golden.refused.filter(({ sender }) => sender === "agent");
  it.each(refused)("refused: $name", ({ hex: text }) => {
    expect(() => read(Buffer.from(text, "hex"))).toThrow(FrameError);
  });
});

describe("a terminal's reader", () => {
  const output = (offset: bigint, text: string): Buffer => {
    const payload = Buffer.concat([Buffer.alloc(8), Buffer.from(text)]);
    payload.writeBigUInt64BE(offset, 0);
    return encodeFrame(FRAME.output, payload);
  };
  const size = (offset: bigint): Buffer => {
    const payload = Buffer.concat([Buffer.alloc(8), resizePayload(80, 24)]);
    payload.writeBigUInt64BE(offset, 0);
    return encodeFrame(FRAME.resized, payload);
  };
  const feed = (from: bigint | undefined, ...frames: Buffer[]): void => {
    const events = { output() {}, gap() {}, resized() {}, exited() {}, closed() {} };
    const reader = new TerminalReader(events, from);
    const decoder = new FrameDecoder(ATTACH_FRAMES);
    for (const frame of frames) decoder.push(frame);
    for (let piece = decoder.next(); piece !== undefined; piece = decoder.next()) reader.piece(piece);
  };

  it("takes output that begins where it was asked to, and goes on without a hole", () => {
    expect(() => feed(5n, size(5n), output(5n, "abc"), output(8n, "d"))).not.toThrow();
    expect(() => feed(undefined, size(9n), output(9n, "abc"))).not.toThrow();
  });

  it.each([
    ["before the size", [output(5n, "a")]],
    ["elsewhere than asked", [size(5n), output(6n, "a")]],
    ["twice", [size(5n), output(5n, "abc"), output(5n, "abc")]],
    ["with a hole", [size(5n), output(5n, "abc"), output(9n, "d")]],
  ])("refuses output %s", (_name, frames) => {
    expect(() => feed(5n, ...frames)).toThrow(FrameError);
  });

  const gap = (from: bigint, to: bigint): Buffer => {
    const payload = Buffer.alloc(16);
    payload.writeBigUInt64BE(from, 0);
    payload.writeBigUInt64BE(to, 8);
    return encodeFrame(FRAME.gap, payload);
  };
  const exit = (offset: bigint): Buffer => {
    const payload = Buffer.alloc(13);
    payload.writeBigUInt64BE(offset, 0);
    return encodeFrame(FRAME.exit, payload);
  };
  const LAST = 2n ** 53n - 1n;
  const far: [string, (past: bigint) => Buffer[]][] = [
    ["a size", (past) => [size(LAST + past)]],
    ["output", (past) => [size(LAST + past), output(LAST + past, "abc")]],
    ["a gap", (past) => [size(0n), gap(0n, LAST + past)]],
    ["an exit", (past) => [size(LAST + past), exit(LAST + past)]],
  ];
  it.each(far)("takes %s up to 2^53 - 1 and none behind it", (_name, frames) => {
    expect(() => feed(undefined, ...frames(0n))).not.toThrow();
    for (const past of [1n, 2n ** 60n, 2n ** 64n - 1n - LAST]) {
      expect(() => feed(undefined, ...frames(past))).toThrow(FrameError);
    }
  });
});

describe("a guest's stream of names", () => {
  const query = (id: number): Buffer => {
    const payload = Buffer.alloc(5 + 12);
    payload.writeUInt32BE(id, 0);
    return encodeFrame(FRAME.nameQuery, payload);
  };
  /** Hands on queries, whose answers come when `answer` is called. */
  function reading() {
    const sent: string[] = [];
    const answers: (() => void)[] = [];
    const reader = new NameReader(
      ({ message }) => new Promise((resolve) => answers.push(() => resolve(message))),
      (payload) => sent.push(hex(payload)),
    );
    const decoder = new FrameDecoder(NAME_FRAMES);
    const take = (...ids: number[]): void => {
      for (const id of ids) decoder.push(query(id));
      for (let piece = decoder.next(); piece !== undefined; piece = decoder.next()) reader.piece(piece);
    };
    return { reader, sent, take, answer: (index: number) => answers[index]?.() };
  }
  const ids = Array.from({ length: 32 }, (_, id) => id);

  it("has 32 queries under way at most, each under an id of its own", async () => {
    const { take, answer, sent } = reading();
    take(...ids);
    expect(() => take(32)).toThrow(/more than 32 names at once/);
    answer(5);
    await expect.poll(() => sent).toEqual([`00000005${"00".repeat(12)}`]);
    take(5);
    expect(() => reading().take(7, 7)).toThrow(/two queries with the id 7/);
  });

  it("is sent nothing after its end", async () => {
    const { reader, take, answer, sent } = reading();
    take(1);
    reader.close();
    answer(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toEqual([]);
  });
});
