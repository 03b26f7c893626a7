import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRAME, MAX_FRAME_PAYLOAD } from "../frames.ts";
import { frameOf, jsonOf } from "../testing/frame-of.ts";
import {
  createExecServerFrameEncoder,
  decodeExecClientFrame,
  decodeExecServerFrame,
  decodeStartPiece,
  encodeSignal,
  encodeStart,
  encodeStdinEof,
} from "./exec-frames.ts";
import { FrameError } from "./frame-bytes.ts";

const server = createExecServerFrameEncoder((length) => new Uint8Array(length));
const types = fc.constantFrom(...Object.values(FRAME), 0, 0xff);

describe("an exec's frames", () => {
  it.each([
    ["what a server sends", decodeExecServerFrame],
    ["what a client sends", decodeExecClientFrame],
  ])("are decoded or refused, whatever their bytes are: %s", (_, decode) => {
    fc.assert(
      fc.property(types, fc.uint8Array({ maxLength: 40 }), (type, rest) => {
        try {
          expect(FRAME[decode(Uint8Array.of(type, ...rest)).type]).toBe(type);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
      { numRuns: 2000 },
    );
    expect(() => decode(new Uint8Array())).toThrow(FrameError);
  });

  it("have the layout of the protocol's page", () => {
    expect(server.started(7)).toEqual(frameOf(FRAME.started, [4, 7]));
    expect(server.stdout(Uint8Array.of(1, 2))).toEqual(frameOf(FRAME.stdout, Uint8Array.of(1, 2)));
    expect(server.stderr(Uint8Array.of())).toEqual(frameOf(FRAME.stderr));
    expect(server.exited({ code: 258, signal: null })).toEqual(frameOf(FRAME.exited, [1, 0], [4, 258]));
    expect(server.exited({ code: null, signal: 9 })).toEqual(frameOf(FRAME.exited, [1, 1], [4, 9]));
    expect(server.failed({ code: "x" })).toEqual(frameOf(FRAME.failed, jsonOf({ code: "x" })));
    expect(encodeSignal(2)).toEqual(frameOf(FRAME.signal, [1, 2]));
    expect(encodeStdinEof()).toEqual(frameOf(FRAME.stdinEof));
    expect(encodeStart({ command: ["ä"], tty: null })).toEqual([
      frameOf(FRAME.start, jsonOf({ command: ["ä"], tty: null })),
    ]);
  });

  it("are what was encoded", () => {
    const pid = 0xff_ff_ff_ff;
    expect(decodeExecServerFrame(server.started(pid))).toEqual({ type: "started", pid });
    const exit = { code: null, signal: 64 };
    expect(decodeExecServerFrame(server.exited(exit))).toEqual({ type: "exited", exit });
    expect(decodeExecServerFrame(server.failed({ code: "x" }))).toEqual({ type: "failed", json: { code: "x" } });
    expect(decodeExecClientFrame(encodeSignal(64))).toEqual({ type: "signal", signal: 64 });
    expect(decodeExecClientFrame(encodeStdinEof())).toEqual({ type: "stdinEof" });
  });

  it("of a long START are several, of which one that is full is continued", () => {
    fc.assert(
      fc.property(fc.constantFrom(0, 1, MAX_FRAME_PAYLOAD - 2, MAX_FRAME_PAYLOAD, 3 * MAX_FRAME_PAYLOAD), (length) => {
        const request = "x".repeat(length);
        const pieces = encodeStart(request).map((message) => decodeStartPiece(message));
        expect(pieces.slice(0, -1).every((piece) => piece.length === MAX_FRAME_PAYLOAD)).toBe(true);
        expect(pieces.at(-1)?.length).toBeLessThan(MAX_FRAME_PAYLOAD);
        const json = new TextDecoder().decode(Uint8Array.from(pieces.flatMap((piece) => [...piece])));
        expect(JSON.parse(json)).toBe(request);
      }),
    );
  });

  it("are refused in the other's turn, and for signals that there are not", () => {
    for (const signal of [0, 65]) expect(() => decodeExecClientFrame(encodeSignal(signal))).toThrow(FrameError);
    expect(() => decodeExecClientFrame(frameOf(FRAME.start))).toThrow(FrameError);
    expect(() => decodeStartPiece(frameOf(FRAME.input))).toThrow(FrameError);
  });
});
