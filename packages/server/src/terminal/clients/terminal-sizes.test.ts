import { describe, expect, it } from "vitest";
import { createTerminalSizes } from "./terminal-sizes.ts";

const WIDE = { cols: 200, rows: 50 };
const SMALL = { cols: 80, rows: 24 };

describe("a terminal's size", () => {
  it("is that of the latest client until one types", () => {
    const sizes = createTerminalSizes();
    const [one, two] = [sizes.join(), sizes.join()];
    expect([one.resized(WIDE), two.resized(SMALL), one.resized(WIDE)]).toEqual([WIDE, SMALL, WIDE]);
  });

  it("belongs to the client that typed last, and is asked for once", () => {
    const sizes = createTerminalSizes();
    const [one, two] = [sizes.join(), sizes.join()];
    one.resized(WIDE);
    expect(one.typed()).toBeNull();
    expect(two.resized(SMALL)).toBeNull();
    expect([two.typed(), two.typed(), two.resized(SMALL)]).toEqual([SMALL, null, null]);
    expect(one.resized({ cols: 10, rows: 10 })).toBeNull();
  });

  it("is free again when its client has left", () => {
    const sizes = createTerminalSizes();
    const [one, two] = [sizes.join(), sizes.join()];
    one.typed();
    one.leave();
    expect(two.resized(SMALL)).toEqual(SMALL);
    two.leave();
    expect(sizes.join().resized(SMALL)).toEqual(SMALL);
  });
});

describe("a report of the focus", () => {
  it("is taken from one client: the one that typed last, before that and after it has left the one that came first", () => {
    const sizes = createTerminalSizes();
    const seats = [sizes.join(), sizes.join(), sizes.join()];
    const answering = () => seats.map((seat) => seat.answers());
    expect(answering()).toEqual([true, false, false]);
    seats[2]?.typed();
    expect(answering()).toEqual([false, false, true]);
    seats[2]?.leave();
    expect(answering()).toEqual([true, false, false]);
    seats.shift()?.leave();
    expect(answering()).toEqual([true, false]);
  });
});
