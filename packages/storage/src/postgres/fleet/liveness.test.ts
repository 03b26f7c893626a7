import { expect, it } from "vitest";
import { PeerLiveness, SILENT_LOOKS, type Sighting, UNLOCKED_LOOKS } from "./liveness.ts";

const peer = (over: Partial<Sighting> = {}): Sighting => ({
  ...{ number: 7, address: "10.0.0.7:7600", seenAt: 1000, isLocked: true },
  ...over,
});
const LIVES = { living: [{ number: 7, address: "10.0.0.7:7600" }], dead: [] };

it("has a peer live that goes on, whatever its clock and the database's say", () => {
  const liveness = new PeerLiveness(true);
  for (let at = 100; at > 0; at--) expect(liveness.look([peer({ seenAt: at })])).toEqual(LIVES);
});

it("finds dead a peer whose lock is gone for some looks", () => {
  const liveness = new PeerLiveness(false);
  liveness.look([peer({ seenAt: 1 })]);
  for (let look = 1; look < UNLOCKED_LOOKS; look++) {
    expect(liveness.look([peer({ seenAt: 2, isLocked: false })])).toEqual(LIVES);
  }
  const { living, dead } = liveness.look([peer({ seenAt: 2, isLocked: false })]);
  expect(living).toEqual([]);
  expect(dead).toMatchObject([{ number: 7, seenAt: 2, why: "its connection has ended" }]);
});

it("has a peer live that was without its lock for a moment", () => {
  const liveness = new PeerLiveness(true);
  for (let at = 0; at < 50; at++) expect(liveness.look([peer({ seenAt: at, isLocked: at % 2 === 0 })])).toEqual(LIVES);
});

it("waits for peers that have not come back to a database that was away", () => {
  const liveness = new PeerLiveness(false);
  for (let look = 0; look < SILENT_LOOKS; look++) {
    expect(liveness.look([peer({ seenAt: look, isLocked: false })])).toEqual(LIVES);
  }
  expect(liveness.look([peer({ seenAt: 0, isLocked: false })]).dead).toHaveLength(1);
});

it("finds dead a peer that has its lock and says nothing", () => {
  const liveness = new PeerLiveness(true);
  for (let look = 0; look < SILENT_LOOKS; look++) expect(liveness.look([peer()])).toEqual(LIVES);
  expect(liveness.look([peer()]).dead).toMatchObject([{ number: 7, why: "it does not go on" }]);
});

it("forgets a peer that has left, and begins again with one that comes", () => {
  const liveness = new PeerLiveness(true);
  for (let look = 0; look < SILENT_LOOKS; look++) liveness.look([peer()]);
  liveness.look([]);
  expect(liveness.look([peer()])).toEqual(LIVES);
});
