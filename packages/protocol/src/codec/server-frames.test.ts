import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRAME } from "../frames.ts";
import { frameOf as frame, jsonOf as json } from "../testing/frame-of.ts";
import { FrameError } from "./frame-bytes.ts";
import { contentOf, createServerFrameEncoder, decodeServerFrame, exitStatusOf, outputOf } from "./server-frames.ts";

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const bytes = fc.uint8Array({ maxLength: 300 });
const server = createServerFrameEncoder((length) => new Uint8Array(length));

describe("a server's frames", () => {
  it("reads output at any offset", () => {
    fc.assert(
      fc.property(u64, bytes, (offset, data) => {
        expect(decodeServerFrame(frame(FRAME.output, [8, offset], data))).toEqual({
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
    expect(decodeServerFrame(larger.subarray(5, 5 + message.length))).toEqual({
      type: "output",
      offset: 7n,
      bytes: Uint8Array.of(1, 2, 3),
    });
  });

  it("reads the other frames", () => {
    expect(decodeServerFrame(frame(FRAME.gap, [8, 5], [8, 9]))).toEqual({ type: "gap", from: 5n, to: 9n });
    expect(decodeServerFrame(frame(FRAME.resized, [8, 2n ** 60n], [2, 132], [2, 43]))).toEqual({
      type: "resize",
      offset: 2n ** 60n,
      cols: 132,
      rows: 43,
    });
    expect(decodeServerFrame(frame(FRAME.exit, [8, 3], [1, 1], [4, 9]))).toEqual({
      type: "exit",
      offset: 3n,
      exit: { code: null, signal: 9 },
    });
    expect(decodeServerFrame(frame(FRAME.pong, [4, 0xffffffff]))).toEqual({ type: "pong", nonce: 0xffffffff });
    const ready = {
      terminal: "t",
      start: "0",
      end: "18446744073709551615",
      from: "12",
      role: "owner",
      title: "vim",
      cwd: "/home/dev",
    };
    expect(decodeServerFrame(frame(FRAME.ready, json(ready)))).toEqual({
      type: "ready",
      terminal: "t",
      start: 0n,
      end: 2n ** 64n - 1n,
      from: 12n,
      role: "owner",
      grant: null,
      title: "vim",
      cwd: "/home/dev",
    });
    const bell = { kind: "bell" };
    expect(decodeServerFrame(frame(FRAME.event, [8, 7], json(bell)))).toEqual({
      type: "event",
      offset: 7n,
      event: bell,
    });
    expect(decodeServerFrame(frame(FRAME.event, [8, 7], json({ kind: "of the future" })))).toMatchObject({
      event: null,
    });
    const modes = json({ cursor: false });
    expect(
      decodeServerFrame(frame(FRAME.keyframe, [8, 100], [2, 80], [2, 24], [4, modes.length], modes, Uint8Array.of(65))),
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
        try {
          decodeServerFrame(Uint8Array.of(type, ...rest));
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
      { numRuns: 2000 },
    );
    expect(() => decodeServerFrame(new Uint8Array())).toThrow(FrameError);
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
    expect(() => decodeServerFrame(message)).toThrow(FrameError);
  });
});

describe("what a server sends", () => {
  const ready = {
    terminal: "t",
    start: 0n,
    end: 2n ** 60n,
    from: 5n,
    role: "owner",
    grant: "abcdefghijkl",
    title: "x",
    cwd: null,
    input: 3n,
  };
  const keyframe = { offset: 9n, cols: 80, rows: 24, modes: { cursor: false }, bytes: Uint8Array.of(65, 66) };

  it("has the layout of the protocol's page", () => {
    expect(server.output(258n, Uint8Array.of(97, 98))).toEqual(frame(FRAME.output, [8, 258], Uint8Array.of(97, 98)));
    expect(server.gap(1n, 2n ** 63n)).toEqual(frame(FRAME.gap, [8, 1], [8, 2n ** 63n]));
    expect(server.resized(3n, 80, 24)).toEqual(frame(FRAME.resized, [8, 3], [2, 80], [2, 24]));
    expect(server.exit(4n, { code: 7, signal: null })).toEqual(frame(FRAME.exit, [8, 4], [1, 0], [4, 7]));
    expect(server.exit(4n, { code: null, signal: 9 })).toEqual(frame(FRAME.exit, [8, 4], [1, 1], [4, 9]));
    expect(server.inputAck(2n ** 50n)).toEqual(frame(FRAME.inputAck, [8, 2n ** 50n]));
    expect(server.pong(0xffffffff)).toEqual(frame(FRAME.pong, [4, 0xffffffff]));
    expect(server.event(7n, { kind: "bell" })).toEqual(frame(FRAME.event, [8, 7], json({ kind: "bell" })));
    expect(server.notice("c", "m")).toEqual(frame(FRAME.notice, json({ code: "c", message: "m" })));
    const modes = json(keyframe.modes);
    const sizes = [
      [8, 9],
      [2, 80],
      [2, 24],
      [4, modes.length],
    ] as const;
    expect(server.keyframe(keyframe)).toEqual(frame(FRAME.keyframe, ...sizes, modes, keyframe.bytes));
    const said = server.ready(ready);
    expect([said[0], JSON.parse(new TextDecoder().decode(said.subarray(1)))]).toEqual([
      FRAME.ready,
      { ...ready, start: "0", end: "1152921504606846976", from: "5", input: "3" },
    ]);
  });

  it("is what a client decodes", () => {
    fc.assert(
      fc.property(u64, u64, bytes, fc.nat(0xff_ff), (offset, other, data, cols) => {
        const [from, to] = offset < other ? [offset, other] : [other, offset];
        expect(decodeServerFrame(server.output(offset, data))).toEqual({ type: "output", offset, bytes: data });
        expect(decodeServerFrame(server.gap(from, to))).toEqual({ type: "gap", from, to });
        expect(decodeServerFrame(server.resized(offset, cols, 1))).toMatchObject({ offset, cols, rows: 1 });
        expect(decodeServerFrame(server.inputAck(offset))).toEqual({ type: "inputAck", count: offset });
        const shown = { ...keyframe, offset, cols, bytes: data };
        expect(decodeServerFrame(server.keyframe(shown))).toEqual({ type: "keyframe", ...shown });
      }),
    );
    for (const input of [3n, null]) {
      expect(decodeServerFrame(server.ready({ ...ready, input }))).toEqual({ type: "ready", ...ready, input });
    }
    expect(decodeServerFrame(server.event(7n, { kind: "bell" }))).toMatchObject({ event: { kind: "bell" } });
    expect(decodeServerFrame(server.notice("c", "m"))).toEqual({ type: "notice", code: "c", message: "m" });
    const person = { grant: null, name: "a", isVerified: true, isLookIn: false, role: "owner" as const };
    const presence = { people: [{ ...person, isTyping: false, isAsking: false }], count: 3 };
    expect(decodeServerFrame(server.presence(presence))).toEqual({ type: "presence", presence });
    for (const bad of [{}, { people: [person], count: 1 }, { people: Array(65).fill(presence.people[0]), count: 65 }]) {
      expect(() => decodeServerFrame(frame(FRAME.presence, json(bad)))).toThrow(FrameError);
    }
  });

  it("is written into the memory that is given, and read as a view of it", () => {
    const given: Uint8Array[] = [];
    const own = createServerFrameEncoder((length) => {
      const memory = new Uint8Array(100).fill(0xee).subarray(7, 7 + length);
      given.push(memory);
      return memory;
    });
    const output = own.output(1n, Uint8Array.of(5, 6));
    expect([output, output === given[0]]).toEqual([server.output(1n, Uint8Array.of(5, 6)), true]);
    expect([outputOf(output), outputOf(output).buffer === output.buffer]).toEqual([Uint8Array.of(5, 6), true]);
    const screen = own.keyframe(keyframe);
    expect([contentOf(screen), contentOf(screen).buffer === screen.buffer]).toEqual([keyframe.bytes, true]);
    expect(exitStatusOf(own.exit(1n, { code: 3, signal: null }))).toBe(3);
    expect(exitStatusOf(own.exit(1n, { code: null, signal: 9 }))).toBe(137);
  });

  it("has no number that does not fit", () => {
    expect(() => server.output(2n ** 64n, Uint8Array.of())).toThrow(RangeError);
    expect(() => server.gap(-1n, 0n)).toThrow(RangeError);
    expect(() => server.resized(0n, 65_536, 1)).toThrow(RangeError);
    expect(() => server.exit(0n, { code: -1, signal: null })).toThrow(RangeError);
    expect(() => server.pong(2 ** 32)).toThrow(RangeError);
  });
});
