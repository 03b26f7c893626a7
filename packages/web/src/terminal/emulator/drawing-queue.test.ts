import { followScreen } from "@microterm/screen";
import { Terminal } from "@xterm/xterm";
import { describe, expect, test } from "vitest";
import { createDrawingQueue } from "./drawing-queue.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const rowsOf = (terminal: Terminal): string[] =>
  Array.from({ length: terminal.buffer.active.length }, (_, y) =>
    terminal.buffer.active.getLine(y)?.translateToString(true),
  ).flatMap((row) => row || []);

const rig = () => {
  const terminal = new Terminal({ cols: 40, rows: 10, scrollback: 5000, allowProposedApi: true });
  return { terminal, follower: followScreen(terminal), queue: createDrawingQueue(terminal) };
};

describe("the drawing queue", () => {
  test("draws everything once and in order, whenever it is settled", async () => {
    const { terminal, follower, queue } = rig();
    const drawn: number[] = [];
    for (let i = 0; i < 3000; i++) {
      queue.push((parsed) => {
        follower.write(encode(`row ${i} é—👩\r\n`), () => {
          drawn.push(i);
          parsed();
        });
      }, true);
      if (i % 7 === 0) expect(queue.settle()).toBe(true);
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    await expect.poll(() => drawn.length, { timeout: 60_000 }).toBe(3000);
    expect(drawn).toEqual(Array.from({ length: 3000 }, (_, i) => i));
    expect(rowsOf(terminal)).toEqual(drawn.map((i) => `row ${i} é—👩`));
  });

  test("has a true screen at every turn of the event loop, in the middle of a flood", async () => {
    const { follower, queue } = rig();
    let drawn = 0;
    const rows = 1000;
    for (let i = 0; i < rows; i++) {
      queue.push((parsed) => {
        follower.write(encode(`row ${i}\r\n`.repeat(20)), () => {
          drawn = i;
          parsed();
        });
      }, true);
    }
    let looks = 0;
    while (drawn < rows - 1) {
      await new Promise((resolve) => setTimeout(resolve));
      expect(queue.settle()).toBe(true);
      const screen = new TextDecoder().decode(follower.capture({ scrollback: 0 }).content);
      expect(screen.match(/row (\d+)/g)?.at(-1)).toBe(`row ${drawn}`);
      looks++;
    }
    expect(looks).toBeGreaterThan(3);
  });

  test("says so where a screen is between two states", () => {
    const { follower, queue, terminal } = rig();
    queue.push((parsed) => {
      follower.reset();
      terminal.write("", parsed);
    }, false);
    expect(queue.settle()).toBe(false);
  });
});
