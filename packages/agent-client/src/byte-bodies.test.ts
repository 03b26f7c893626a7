import { Duplex } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readBody } from "./byte-bodies.ts";
import type { AgentAnswer } from "./channel/agent-call.ts";

/** A stream that sends these pieces, like an HTTP/2 stream that ended well. */
function streamOf(lengths: readonly number[]): AgentAnswer["stream"] {
  const pieces = lengths.map((length) => Buffer.alloc(length, "x"));
  const stream = new Duplex({
    read() {
      this.push(pieces.shift() ?? null);
    },
  });
  // A GET has no body.
  stream.end();
  return Object.assign(stream, { aborted: false, rstCode: 0, close: () => stream.destroy() }) as never;
}

describe("a download's bytes", () => {
  it("are never more than was announced, and the difference is an error", async () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(lengths, fc.integer({ min: 0, max: 120 }), async (pieces, size) => {
        const sent = pieces.reduce((sum, length) => sum + length, 0);
        let received = 0;
        const reading = (async () => {
          for await (const bytes of readBody(streamOf(pieces), size)) {
            received += bytes.length;
            expect(received).toBeLessThanOrEqual(size);
          }
        })();
        if (sent === size) await reading;
        else await expect(reading).rejects.toMatchObject({ code: "GUEST_PROTOCOL" });
      }),
    );
  });

  it("are as many as come where nothing was announced", async () => {
    let received = 0;
    for await (const bytes of readBody(streamOf([5, 50, 500]), null)) received += bytes.length;
    expect(received).toBe(555);
  });
});
