import { setTimeout as delay } from "node:timers/promises";
import type { GuestAgent, GuestTerminal, TerminalEvents, TerminalStream } from "@microterm/core";
import { TerminalId } from "@microterm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { GuestReader } from "./guest-reader.ts";

const TERMINAL = TerminalId.parse("t1");
/** Far more than any back-off allows in the time that the test looks, far fewer than without one. */
const MANY = 50;

/** An agent that accepts every stream; `then` is what it does with it a moment later. */
function reading(then: (events: TerminalEvents) => void): { readonly attached: () => number } {
  let attached = 0;
  const agent = {
    hello: { protocol: 3, agent: "test", bootId: "b", isSealed: false },
    terminals: async () => [{ id: TERMINAL, createdUnixMs: 1 } as GuestTerminal],
    attach: async (_: TerminalId, { events }: { readonly events: TerminalEvents }) => {
      attached += 1;
      setImmediate(() => then(events));
      return { pause() {}, resume() {}, resize() {}, close() {} } as Partial<TerminalStream> as TerminalStream;
    },
  };
  const none = (): void => undefined;
  const reader = new GuestReader({
    terminal: TERMINAL,
    createdUnixMs: 1,
    from: 0n,
    agent: async () => agent as Partial<GuestAgent> as GuestAgent,
    isEnvironmentPaused: async () => false,
    onChange: () => none,
    events: { output: none, gap: none, resized: none, exited: none, attached: none, ended: none },
  });
  onTestFinished(() => reader.close());
  return { attached: () => attached };
}

it("asks an agent ever more rarely that accepts streams and ends each at once", async () => {
  const { attached } = reading((events) => events.closed());
  await delay(1000);
  expect(attached()).toBeGreaterThan(3);
  expect(attached()).toBeLessThan(MANY);
});

it("attaches again at once while streams bring something", async () => {
  let offset = 0n;
  const { attached } = reading((events) => {
    events.output(offset++, Uint8Array.of(65));
    events.closed();
  });
  while (attached() < MANY) await delay(1);
});
