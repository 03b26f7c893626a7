import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createEventParser, followEvents, type ServerEvent } from "./events.ts";

function parse(pieces: readonly string[]): ServerEvent[] {
  const events: ServerEvent[] = [];
  const feed = createEventParser((event) => events.push(event));
  for (const piece of pieces) feed(piece);
  return events;
}

describe("the event stream's parser", () => {
  it("reads events, joins data lines and skips comments and unknown fields", () => {
    expect(parse([": hello\n\nevent: environment\ndata: {\ndata:}\nid: 3\n\ndata: x\n\n"])).toEqual([
      { event: "environment", data: "{\n}" },
      { event: "message", data: "x" },
    ]);
  });

  it("reads the same events however the text is cut and whichever line ends it has", () => {
    const text = "event: a\ndata: 1\ndata: 2\n\n: c\n\nevent: b\ndata:  x\n\n";
    const expected = parse([text]);
    fc.assert(
      fc.property(fc.constantFrom("\n", "\r\n", "\r"), fc.array(fc.nat(60), { maxLength: 8 }), (end, cuts) => {
        const whole = text.replaceAll("\n", end);
        const at = [...new Set(cuts)].sort((a, b) => a - b);
        // A lone CR at the end could be half of a CRLF, so the last event needs one more line to be told.
        const pieces = [...at, whole.length].map((cut, i) => whole.slice(at[i - 1] ?? 0, cut));
        expect(parse([...pieces, ":\n"])).toEqual(expected);
      }),
    );
  });

  it("does not collect an endless line or an endless event", () => {
    expect(() => parse(["x".repeat(600_000), "x".repeat(600_000)])).toThrow(RangeError);
    expect(() => parse(Array.from({ length: 40 }, () => `data: ${"y".repeat(50_000)}\n`))).toThrow(RangeError);
  });
});

describe("a stream that broke", () => {
  it("is opened again at once when somebody knows that the server is back", async () => {
    let opened = 0;
    const waits: number[] = [];
    const subscription = followEvents({
      open: () => {
        opened++;
        return Promise.reject(new Error("refused"));
      },
      isFinal: () => false,
      handlers: {
        onEnvironment: () => undefined,
        onRemoved: () => undefined,
        onDisconnected: (delayMs) => waits.push(delayMs),
      },
      // No time passes by itself.
      timing: { now: () => 0, after: () => () => undefined, random: () => 0 },
    });
    await expect.poll(() => waits.length).toBe(1);
    subscription.reconnectNow();
    await expect.poll(() => waits.length).toBe(2);
    subscription.close();
    subscription.reconnectNow();
    await new Promise(setImmediate);
    expect(opened).toBe(2);
  });
});
