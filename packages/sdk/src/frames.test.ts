import { FRAME } from "@microterm/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeExecFrame,
  decodeTerminalFrame,
  encodeAck,
  encodeInput,
  encodePing,
  encodeReply,
  encodeResize,
  encodeSignal,
  encodeStart,
  FrameError,
} from "./frames.ts";

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const bytes = fc.uint8Array({ maxLength: 300 });

/** What a server would send: written here apart from the decoder, from the tables of the protocol's page. */
function frame(type: number, ...parts: readonly (Uint8Array | [size: 1 | 2 | 4 | 8, value: bigint | number])[]) {
  const out = [type];
  for (const part of parts) {
    if (part instanceof Uint8Array) out.push(...part);
    else for (let i = part[0] - 1; i >= 0; i -= 1) out.push(Number((BigInt(part[1]) >> BigInt(8 * i)) & 0xffn));
  }
  return Uint8Array.from(out);
}
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

describe("terminal frames", () => {
  it("reads output at any offset", () => {
    fc.assert(
      fc.property(u64, bytes, (offset, data) => {
        expect(decodeTerminalFrame(frame(FRAME.output, [8, offset], data))).toEqual({
          type: "output",
          offset,
          bytes: data,
        });
      }),
    );
  });

  it("reads a message that lies inside a larger buffer", () => {
    const message = frame(FRAME.output, [8, 7], Uint8Array.of(1, 2, 3));
    const larger = new Uint8Array(message.length + 11);
    larger.set(message, 5);
    expect(decodeTerminalFrame(larger.subarray(5, 5 + message.length))).toEqual({
      type: "output",
      offset: 7n,
      bytes: Uint8Array.of(1, 2, 3),
    });
  });

  it("reads the other frames", () => {
    expect(decodeTerminalFrame(frame(FRAME.gap, [8, 5], [8, 9]))).toEqual({ type: "gap", from: 5n, to: 9n });
    expect(decodeTerminalFrame(frame(FRAME.resized, [8, 2n ** 60n], [2, 132], [2, 43]))).toEqual({
      type: "resize",
      offset: 2n ** 60n,
      cols: 132,
      rows: 43,
    });
    expect(decodeTerminalFrame(frame(FRAME.exit, [8, 3], [1, 1], [4, 9]))).toEqual({
      type: "exit",
      offset: 3n,
      exit: { code: null, signal: 9 },
    });
    expect(decodeTerminalFrame(frame(FRAME.pong, [4, 0xffffffff]))).toEqual({ type: "pong", nonce: 0xffffffff });
    const ready = {
      terminal: "t",
      start: "0",
      end: "18446744073709551615",
      from: "12",
      role: "owner",
      title: "vim",
      cwd: "/home/dev",
    };
    expect(decodeTerminalFrame(frame(FRAME.ready, json(ready)))).toEqual({
      type: "ready",
      terminal: "t",
      start: 0n,
      end: 2n ** 64n - 1n,
      from: 12n,
      role: "owner",
      title: "vim",
      cwd: "/home/dev",
    });
    const bell = { kind: "bell" };
    expect(decodeTerminalFrame(frame(FRAME.event, [8, 7], json(bell)))).toEqual({
      type: "event",
      offset: 7n,
      event: bell,
    });
    expect(decodeTerminalFrame(frame(FRAME.event, [8, 7], json({ kind: "of the future" })))).toMatchObject({
      event: null,
    });
    const modes = json({ cursor: false });
    expect(
      decodeTerminalFrame(
        frame(FRAME.keyframe, [8, 100], [2, 80], [2, 24], [4, modes.length], modes, Uint8Array.of(65)),
      ),
    ).toEqual({
      type: "keyframe",
      offset: 100n,
      cols: 80,
      rows: 24,
      modes: { cursor: false },
      bytes: Uint8Array.of(65),
    });
  });

  it("answers any bytes with a frame or a FrameError, and nothing else", () => {
    const types = fc.constantFrom(...Object.values(FRAME), 0, 0xff);
    fc.assert(
      fc.property(types, bytes, (type, rest) => {
        for (const decode of [decodeTerminalFrame, decodeExecFrame]) {
          try {
            decode(Uint8Array.of(type, ...rest));
          } catch (error) {
            expect(error).toBeInstanceOf(FrameError);
          }
        }
      }),
      { numRuns: 2000 },
    );
    expect(() => decodeTerminalFrame(new Uint8Array())).toThrow(FrameError);
  });

  it.each([
    ["a GAP that runs backwards", frame(FRAME.gap, [8, 9], [8, 5])],
    ["a GAP with a byte too many", frame(FRAME.gap, [8, 5], [8, 9], [1, 0])],
    ["an EXIT of a third kind", frame(FRAME.exit, [8, 3], [1, 2], [4, 9])],
    ["a KEYFRAME whose JSON passes its end", frame(FRAME.keyframe, [8, 1], [2, 80], [2, 24], [4, 99], json({}))],
    ["a READY without an end", frame(FRAME.ready, json({ terminal: "t", start: "0", from: "0", role: "owner" }))],
    [
      "a READY with a negative offset",
      frame(FRAME.ready, json({ terminal: "t", start: "-1", end: "0", from: "0", role: "owner" })),
    ],
    ["a client's frame", frame(FRAME.input, Uint8Array.of(1))],
  ])("refuses %s", (_, message) => {
    expect(() => decodeTerminalFrame(message)).toThrow(FrameError);
  });
});

describe("what a client sends", () => {
  it("has the layout of the protocol's page", () => {
    expect(encodeInput(Uint8Array.of(3))).toEqual(frame(FRAME.input, Uint8Array.of(3)));
    expect(encodeReply(Uint8Array.of(3))).toEqual(frame(FRAME.reply, Uint8Array.of(3)));
    expect(encodeAck(2n ** 40n)).toEqual(frame(FRAME.ack, [8, 2n ** 40n]));
    expect(encodeResize(80, 24)).toEqual(frame(FRAME.resize, [2, 80], [2, 24]));
    expect(encodePing(7)).toEqual(frame(FRAME.ping, [4, 7]));
    expect(encodeSignal(2)).toEqual(frame(FRAME.signal, [1, 2]));
    expect(encodeStart({ command: ["ä"], tty: null })).toEqual([
      frame(FRAME.start, json({ command: ["ä"], tty: null })),
    ]);
  });

  it("keeps sizes inside what the protocol allows", () => {
    expect(encodeResize(0, 5000)).toEqual(frame(FRAME.resize, [2, 1], [2, 1000]));
    expect(encodeResize(Number.NaN, -3)).toEqual(frame(FRAME.resize, [2, 1], [2, 1]));
  });
});
