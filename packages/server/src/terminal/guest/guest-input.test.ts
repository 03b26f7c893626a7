import type { InputEvents, InputStream } from "@microterm/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GuestInput } from "./guest-input.ts";

/** A terminal that takes what it is told to, of one stream at a time; what a broken stream brought and it did not take is gone. */
class Terminal {
  readonly taken: number[] = [];
  opened = 0;
  isRefusing = false;
  #waiting: number[] = [];
  #events: InputEvents | null = null;

  open = async (events: InputEvents): Promise<InputStream> => {
    if (this.isRefusing) throw new Error("not now");
    this.break();
    this.opened += 1;
    this.#events = events;
    queueMicrotask(() => this.tell());
    const isCurrent = () => this.#events === events;
    return {
      write: (bytes) => {
        if (isCurrent()) this.#waiting.push(...bytes);
        return this.#waiting.length < 8;
      },
      drained: async () => {},
      close: () => isCurrent() && this.break(),
    };
  };

  take(count: number): void {
    this.taken.push(...this.#waiting.splice(0, count));
  }

  tell(): void {
    this.#events?.acknowledged(BigInt(this.taken.length));
  }

  break(): void {
    const events = this.#events;
    this.#events = null;
    this.#waiting = [];
    events?.closed(new Error("cut"));
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("a terminal's input", () => {
  it("is taken once, in order, however streams break, and each piece is reported once", async () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant("write" as const), length: fc.integer({ min: 1, max: 12 }) }),
      fc.record({ kind: fc.constant("take" as const), length: fc.integer({ min: 1, max: 20 }) }),
      fc.constantFrom(
        { kind: "tell" as const },
        { kind: "break" as const },
        { kind: "refuse" as const },
        { kind: "prepare" as const },
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
        const terminal = new Terminal();
        const input = new GuestInput({ open: terminal.open });
        let typed = 0;
        const reported: [number, boolean][] = [];
        for (const one of actions) {
          if (one.kind === "write") {
            const end = typed + one.length;
            input.write(
              Uint8Array.from({ length: one.length }, (_, at) => (typed + at) & 255),
              (isTaken) => reported.push([end, isTaken]),
            );
            typed = end;
          } else if (one.kind === "take") terminal.take(one.length);
          else if (one.kind === "tell") terminal.tell();
          else if (one.kind === "break") terminal.break();
          else if (one.kind === "prepare") input.prepare();
          else terminal.isRefusing = !terminal.isRefusing;
          input.retry();
          await turn();
        }
        terminal.isRefusing = false;
        for (let round = 0; round < 60 && (reported.at(-1)?.[0] ?? 0) < typed; round++) {
          input.retry();
          await turn();
          terminal.take(1000);
          terminal.tell();
          await turn();
        }
        terminal.tell();
        expect(terminal.taken).toEqual(Array.from({ length: typed }, (_, at) => at & 255));
        expect(reported.every(([, isTaken]) => isTaken)).toBe(true);
        expect(reported.map(([end]) => end)).toEqual([...reported.map(([end]) => end)].sort((a, b) => a - b));
        expect(reported.at(-1)?.[0] ?? 0).toBe(typed);
        input.close();
      }),
    );
  });

  it("has its stream before anything is typed, when a client may type", async () => {
    const terminal = new Terminal();
    const input = new GuestInput({ open: terminal.open });
    input.prepare();
    input.prepare();
    await turn();
    const reported: boolean[] = [];
    input.write(Uint8Array.of(3), (isTaken) => reported.push(isTaken));
    terminal.take(1);
    terminal.tell();
    expect([terminal.opened, terminal.taken, reported]).toEqual([1, [3], [true]]);
    input.close();
  });

  it("is refused past 1 MiB, holds its typist before that, and says what was dropped", async () => {
    const terminal = new Terminal();
    terminal.isRefusing = true;
    const input = new GuestInput({ open: terminal.open });
    const reported: boolean[] = [];
    let taken = 0;
    while (input.write(new Uint8Array(65_536), (isTaken) => reported.push(isTaken))) taken += 1;
    expect([taken, input.isFull]).toEqual([16, true]);
    let isDrained = false;
    const drained = input.drained().then(() => {
      isDrained = true;
    });
    await turn();
    expect([isDrained, reported]).toEqual([false, []]);
    input.drop();
    await drained;
    expect(reported).toEqual(Array.from({ length: 16 }, () => false));
    input.close();
  });

  it("asks an agent that accepts and closes at once less and less often", async () => {
    let opened = 0;
    const input = new GuestInput({
      open: async (events) => {
        opened += 1;
        queueMicrotask(() => {
          events.acknowledged(0n);
          setImmediate(() => events.closed());
        });
        return { write: () => true, drained: async () => {}, close: () => {} };
      },
    });
    input.write(Uint8Array.of(1), () => {});
    for (let round = 0; round < 200; round++) await turn();
    expect(opened).toBeLessThan(4);
    input.close();
  });
});
