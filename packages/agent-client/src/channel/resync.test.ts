import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { listenAsPeer } from "../../../../support/scripted-peer.ts";
import { EchoSearch, openResynced } from "./resync.ts";

const MAGIC = Buffer.from("00112233445566778899aabbccddeeff", "hex");

describe("the search for an echo", () => {
  const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((array) => Buffer.from(array));

  it("finds it behind any garbage, in any cut, and gives what follows", () => {
    // Garbage of the marker's own bytes is the hardest: prefixes that come to nothing.
    const marker = Buffer.concat([MAGIC, Buffer.alloc(16, 0x1e)]);
    const partial = fc
      .array(fc.nat(31), { maxLength: 8 })
      .map((ends) => Buffer.concat(ends.map((end) => marker.subarray(0, end))));
    fc.assert(
      fc.property(partial, bytes(100), bytes(40), fc.integer({ min: 1, max: 40 }), (prefixes, noise, rest, step) => {
        const before = Buffer.concat([noise, prefixes]);
        fc.pre(!before.includes(marker));
        const all = Buffer.concat([before, marker, rest]);
        const search = new EchoSearch();
        search.expect(marker);
        for (let at = 0; at < all.length; at += step) {
          const found = search.push(all.subarray(at, at + step));
          if (found === undefined) continue;
          expect(Buffer.concat([found, all.subarray(at + step)])).toEqual(rest);
          return;
        }
        expect.unreachable("the echo was not found");
      }),
    );
  });
});

describe("opening a session", () => {
  it("goes on with a new marker when the guest missed the first, and discards stale bytes", async () => {
    const markers: Buffer[] = [];
    const path = await listenAsPeer((socket) => {
      socket.write("bytes of a session before");
      socket.on("data", (chunk: Buffer) => {
        markers.push(chunk);
        // The first is lost; its echo may still come late, and counts for nothing.
        if (markers.length === 2) socket.write(Buffer.concat([markers[0] as Buffer, randomBytes(50), chunk]));
      });
    });
    const socket = await openResynced(path, MAGIC, { timeoutMs: 10_000 });
    onTestFinished(() => void socket.destroy());
    expect(markers).toHaveLength(2);
    expect(markers[0]?.subarray(0, 16)).toEqual(MAGIC);
    expect(markers[0]).not.toEqual(markers[1]);
    expect(socket.readableLength).toBe(0);
  });

  it("gives up at the deadline on a guest that sends garbage for ever", async () => {
    const path = await listenAsPeer((socket) => {
      const flood = (): void => {
        while (!socket.destroyed && socket.write(randomBytes(65_536)));
      };
      socket.on("drain", flood);
      flood();
    });
    await expect(openResynced(path, MAGIC, { timeoutMs: 300 })).rejects.toThrow("no echo from the guest within 300 ms");
  });

  it("ends with the reason of an abort, and when the VMM hangs up", async () => {
    const path = await listenAsPeer(() => {});
    const abort = new AbortController();
    const opening = openResynced(path, MAGIC, { timeoutMs: 10_000, signal: abort.signal });
    abort.abort(new Error("no longer needed"));
    await expect(opening).rejects.toThrow("no longer needed");
    const rude = await listenAsPeer((socket) => socket.end());
    await expect(openResynced(rude, MAGIC, { timeoutMs: 10_000 })).rejects.toThrow("closed the guest channel");
  });
});
