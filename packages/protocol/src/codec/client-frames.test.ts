import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRAME } from "../frames.ts";
import { frameOf, jsonOf } from "../testing/frame-of.ts";
import {
  type ClientFrame,
  decodeClientFrame,
  encodeAck,
  encodeAppearance,
  encodeInput,
  encodeKeyboard,
  encodePing,
  encodeReply,
  encodeResize,
} from "./client-frames.ts";
import { FrameError } from "./frame-bytes.ts";

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const bytes = fc.uint8Array({ maxLength: 300 });
const dimension = fc.integer({ min: 1, max: 1000 });
const colour = fc.constantFrom("#000000", "#e5e5E5");

describe("a client's frame", () => {
  it("is decoded or refused, whatever its bytes are", () => {
    const types = fc.constantFrom(...Object.values(FRAME), 0, 0xff);
    fc.assert(
      fc.property(types, fc.uint8Array({ maxLength: 40 }), (type, rest) => {
        try {
          expect(FRAME[decodeClientFrame(Uint8Array.of(type, ...rest)).type]).toBe(type);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
      { numRuns: 2000 },
    );
    expect(() => decodeClientFrame(new Uint8Array())).toThrow(FrameError);
  });

  it("is what was encoded", () => {
    const frames: fc.Arbitrary<[Uint8Array, ClientFrame]> = fc.oneof(
      bytes.map((typed): [Uint8Array, ClientFrame] => [encodeInput(typed), { type: "input", bytes: typed }]),
      bytes.map((said): [Uint8Array, ClientFrame] => [encodeReply(said), { type: "reply", bytes: said }]),
      u64.map((offset): [Uint8Array, ClientFrame] => [encodeAck(offset), { type: "ack", offset }]),
      fc
        .boolean()
        .map((isWanted): [Uint8Array, ClientFrame] => [encodeKeyboard(isWanted), { type: "keyboard", isWanted }]),
      fc.nat(0xff_ff_ff_ff).map((nonce): [Uint8Array, ClientFrame] => [encodePing(nonce), { type: "ping", nonce }]),
      fc
        .record({ cols: dimension, rows: dimension })
        .map(({ cols, rows }): [Uint8Array, ClientFrame] => [encodeResize(cols, rows), { type: "resize", cols, rows }]),
      fc
        .record({ foreground: colour, background: colour, cursor: colour })
        .map((appearance): [Uint8Array, ClientFrame] => [
          encodeAppearance(appearance),
          { type: "appearance", appearance },
        ]),
    );
    fc.assert(
      fc.property(frames, ([message, frame]) => {
        expect(decodeClientFrame(message)).toEqual(frame);
      }),
    );
  });

  it("of typed bytes is a view, not a copy", () => {
    const message = frameOf(FRAME.input, Uint8Array.of(1, 2, 3));
    const frame = decodeClientFrame(message);
    expect(frame).toEqual({ type: "input", bytes: Uint8Array.of(1, 2, 3) });
    expect(frame.type === "input" && frame.bytes.buffer === message.buffer).toBe(true);
  });

  it.each([
    ["a RESIZE to nothing", frameOf(FRAME.resize, [2, 0], [2, 24])],
    ["a RESIZE past 1000", frameOf(FRAME.resize, [2, 80], [2, 1001])],
    ["an ACK with a byte too many", frameOf(FRAME.ack, [8, 1], [1, 0])],
    ["a PING without a nonce", frameOf(FRAME.ping)],
    ["an APPEARANCE of no JSON", frameOf(FRAME.appearance, Uint8Array.of(0xff))],
    ["an APPEARANCE of other colours", frameOf(FRAME.appearance, jsonOf({ foreground: "red" }))],
    ["a server's frame", frameOf(FRAME.output, [8, 1])],
  ])("is refused when it is %s", (_, message) => {
    expect(() => decodeClientFrame(message)).toThrow(FrameError);
  });

  it("has the layout of the protocol's page", () => {
    expect(encodeInput(Uint8Array.of(3))).toEqual(frameOf(FRAME.input, Uint8Array.of(3)));
    expect(encodeReply(Uint8Array.of(3))).toEqual(frameOf(FRAME.reply, Uint8Array.of(3)));
    expect(encodeAck(2n ** 40n)).toEqual(frameOf(FRAME.ack, [8, 2n ** 40n]));
    expect(encodeResize(80, 24)).toEqual(frameOf(FRAME.resize, [2, 80], [2, 24]));
    expect(encodePing(7)).toEqual(frameOf(FRAME.ping, [4, 7]));
  });

  it("keeps sizes inside what the protocol allows", () => {
    expect(encodeResize(0, 5000)).toEqual(frameOf(FRAME.resize, [2, 1], [2, 1000]));
    expect(encodeResize(Number.NaN, -3)).toEqual(frameOf(FRAME.resize, [2, 1], [2, 1]));
  });
});
