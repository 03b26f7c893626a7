import { FRAME } from "@microterm/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ClientFrameError,
  encodeExit,
  encodeGap,
  encodeOutput,
  encodeReady,
  encodeResized,
  parseClientFrame,
} from "./frames.ts";

describe("a client's frame", () => {
  it("is parsed or refused, whatever its bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          const { type } = parseClientFrame(Buffer.from(bytes));
          expect(FRAME[type]).toBe(bytes[0]);
        } catch (error) {
          expect(error).toBeInstanceOf(ClientFrameError);
        }
      }),
    );
  });

  it("keeps every bit of its numbers", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(0xff_ff_ff_ff), (offset, nonce) => {
        const ack = Buffer.alloc(9, FRAME.ack);
        ack.writeBigUInt64BE(offset, 1);
        expect(parseClientFrame(ack)).toEqual({ type: "ack", offset });
        const ping = Buffer.alloc(5, FRAME.ping);
        ping.writeUInt32BE(nonce, 1);
        expect(parseClientFrame(ping)).toEqual({ type: "ping", nonce });
      }),
    );
  });

  it("of typed bytes is a view, not a copy", () => {
    const message = Buffer.from([FRAME.input, 1, 2, 3]);
    const frame = parseClientFrame(message);
    expect(frame).toEqual({ type: "input", bytes: Buffer.of(1, 2, 3) });
    expect(frame.type === "input" && frame.bytes.buffer === message.buffer).toBe(true);
  });
});

describe("a server's frame", () => {
  it("has the layout of the protocol's page", () => {
    const hex = (frame: Buffer) => frame.toString("hex");
    expect(hex(encodeOutput(258n, Buffer.from("ab")))).toBe("0100000000000001026162");
    expect(hex(encodeGap(1n, 2n ** 63n))).toBe("0200000000000000018000000000000000");
    expect(hex(encodeResized(3n, 80, 24))).toBe("04000000000000000300500018");
    expect(hex(encodeExit(4n, { code: 7, signal: null }))).toBe("0500000000000000040000000007");
    expect(hex(encodeExit(4n, { code: null, signal: 9 }))).toBe("0500000000000000040100000009");
    const ready = encodeReady({
      terminal: "t",
      start: 0n,
      end: 2n ** 60n,
      from: 5n,
      role: "owner",
      title: "x",
      cwd: null,
      input: 3n,
    });
    expect([ready[0], JSON.parse(ready.subarray(1).toString())]).toEqual([
      FRAME.ready,
      {
        terminal: "t",
        start: "0",
        end: "1152921504606846976",
        from: "5",
        role: "owner",
        title: "x",
        cwd: null,
        input: "3",
      },
    ]);
  });
});
