import { expect, it } from "vitest";
import { canAsk, decide } from "./confirm.ts";

it("takes nothing but a clear answer for one", () => {
  for (const yes of ["y", "Y", "yes", " YES "]) expect(decide(yes, { mayPause: true })).toBe("go");
  for (const pause of ["p", "pause", " P"]) {
    expect(decide(pause, { mayPause: true })).toBe("pause");
    expect(decide(pause, { mayPause: false })).toBe("no");
  }
  for (const no of ["", "n", "no", "yp", "yes!", "?"]) expect(decide(no, { mayPause: true })).toBe("no");
});

it("asks nothing where there is no terminal", () => {
  expect(canAsk()).toBe(process.stdin.isTTY === true && process.stderr.isTTY === true);
});
