import { PlatformError } from "@microterm/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { followEvents } from "./events.ts";
import { ManualTiming, type ScriptedSocket, scriptedSockets } from "./testing/scripted.ts";

function follow(diagnose: () => Promise<Error | null> = async () => null) {
  const timing = new ManualTiming();
  const sockets = scriptedSockets();
  const calls: string[] = [];
  const subscription = followEvents({
    url: "ws://host/v1/events",
    headers: {},
    openSocket: sockets.open,
    diagnose,
    timing,
    handlers: {
      onEnvironment: ({ name }) => calls.push(`environment ${name}`),
      onRemoved: (id) => calls.push(`removed ${id}`),
      onConnected: () => calls.push("connected"),
      onDisconnected: (delayMs, isSilent) => calls.push(`${isSilent ? "silent, " : ""}again in ${delayMs}`),
      onRefused: (error) => calls.push(`refused: ${error.message}`),
    },
  });
  const last = () => sockets.opened.at(-1) as ScriptedSocket;
  const say = (text: string) => last().onmessage?.({ data: text } as never);
  return { timing, calls, subscription, opened: sockets.opened, last, say };
}

const REMOVED = JSON.stringify({ event: "removed", data: { id: "abcdefghijkl" } });
const ALIVE = JSON.stringify({ event: "alive" });

describe("following events", () => {
  it("tells what came, and ignores events of another version", () => {
    const { last, say, calls } = follow();
    last().open();
    for (const text of [REMOVED, ALIVE, JSON.stringify({ event: "weather", data: 3 }), REMOVED]) say(text);
    expect(calls).toEqual(["connected", "removed abcdefghijkl", "removed abcdefghijkl"]);
  });

  it("notices a server that has fallen silent, and comes back", () => {
    const { last, say, calls, timing, opened } = follow();
    last().open();
    for (let heard = 0; heard < 5; heard++) {
      timing.pass(8000);
      say(ALIVE);
    }
    expect(calls).toEqual(["connected"]);
    timing.pass(10_000);
    expect(calls).toEqual(["connected", "silent, again in 100"]);
    expect(opened.length).toBe(2);
    last().open();
    expect(calls.at(-1)).toBe("connected");
  });

  it("gives up a connection that is never made, and is never heard by one that it gave up", () => {
    const { opened, calls, timing } = follow();
    timing.pass(9100);
    expect(opened.length).toBe(2);
    opened[0]?.open();
    expect(calls).toEqual(["silent, again in 100"]);
  });

  it("waits longer each time for a server that is away, and no longer once somebody knows that it is back", async () => {
    const { last, opened, subscription, timing, calls } = follow();
    for (let attempt = 0; attempt < 4; attempt++) {
      last().break();
      await expect.poll(() => calls.length).toBe(attempt + 1);
      timing.pass(5000);
    }
    expect(calls).toEqual(["again in 100", "again in 100", "again in 200", "again in 400"]);
    last().break();
    await expect.poll(() => calls.length).toBe(5);
    const before = opened.length;
    subscription.reconnectNow();
    subscription.reconnectNow();
    expect(opened.length).toBe(before + 1);
  });

  it("ends for good when the credential is refused or revoked", async () => {
    const refused = follow(async () => new PlatformError("UNAUTHENTICATED", "spent"));
    refused.last().break();
    await expect.poll(() => refused.calls).toEqual(["refused: spent"]);
    const revoked = follow();
    revoked.last().open();
    revoked.last().break(4401, "signed out");
    expect(revoked.calls).toEqual(["connected", "refused: signed out"]);
    for (const { timing, opened, subscription } of [refused, revoked]) {
      subscription.reconnectNow();
      timing.pass(60_000);
      expect([opened.length, timing.pending]).toEqual([1, 0]);
    }
  });

  it("is over once closed, whatever it was about", async () => {
    for (const prepare of [() => undefined, ({ last }) => last().open(), ({ last }) => last().break()] satisfies ((
      of: ReturnType<typeof follow>,
    ) => void)[]) {
      const one = follow();
      prepare(one);
      one.subscription.close();
      const before = one.calls.length;
      await new Promise(setImmediate);
      one.say(REMOVED);
      one.subscription.reconnectNow();
      one.timing.pass(60_000);
      expect([one.opened.length, one.calls.length, one.timing.pending]).toEqual([1, before, 0]);
    }
  });

  it("throws at no message, and does not hurry back to a server that sends what it cannot read", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.constant('{"event":"environment","data":{}}')), (text) => {
        const { last, say, opened, calls, timing } = follow();
        for (let attempt = 0; attempt < 10; attempt++) {
          last().open();
          say(text);
          timing.pass(5000);
        }
        expect(calls.filter((one) => /^(environment|removed)/.test(one))).toEqual([]);
        // Read as an event that is not known, or refused with a growing delay.
        expect([1, 2, 10, 11]).toContain(opened.length);
      }),
    );
  });
});
