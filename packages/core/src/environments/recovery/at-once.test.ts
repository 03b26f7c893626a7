import { expect, it } from "vitest";
import { atOnce } from "./at-once.ts";

it("runs for all items, so many at a time, and rejects with what failed first", async () => {
  const done: number[] = [];
  let running = 0;
  let most = 0;
  const run = async (item: number) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    if (item % 4 === 1) throw new Error(`${item}`);
    done.push(item);
  };
  await expect(atOnce([0, 1, 2, 3, 4, 5, 6], 3, run)).rejects.toThrow("1");
  expect([done, most]).toEqual([[0, 2, 3, 4, 6], 3]);
  await atOnce([], 3, run);
});
