import { EventEmitter } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { forwardSignals, PATIENCE_MS, UnansweredInterrupts } from "./exec-signals.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function forwarded() {
  const source = new EventEmitter();
  const passed: number[] = [];
  const left: number[] = [];
  const forget = forwardSignals({
    session: { signal: (number) => passed.push(number) },
    leave: (number) => left.push(number),
    source,
  });
  return { source, passed, left, forget };
}

describe("signals to exec", () => {
  it.each([
    ["SIGHUP", 1],
    ["SIGINT", 2],
    ["SIGQUIT", 3],
    ["SIGTERM", 15],
  ] as const)("pass %s on, and end the client when the command does not end by it", (name, number) => {
    const { source, passed, left } = forwarded();
    source.emit(name);
    vi.advanceTimersByTime(PATIENCE_MS - 1);
    expect([passed, left]).toEqual([[number], []]);
    vi.advanceTimersByTime(1);
    expect([passed, left]).toEqual([[number], [number]]);
  });

  it.each(["SIGINT", "SIGTERM"])("end the client at once with the second, %s", (name) => {
    const { source, passed, left } = forwarded();
    source.emit("SIGINT");
    source.emit(name);
    expect([passed, left]).toEqual([[2], [name === "SIGINT" ? 2 : 15]]);
  });

  it("leave the client alone when they mean no end, or when the command has ended", () => {
    const { source, passed, left, forget } = forwarded();
    source.emit("SIGUSR1");
    source.emit("SIGUSR2");
    source.emit("SIGINT");
    forget();
    vi.advanceTimersByTime(10 * PATIENCE_MS);
    expect([passed, left, source.eventNames()]).toEqual([[10, 12, 2], [], []]);
  });
});

describe("Ctrl-C as a key", () => {
  const keys = (text: string) => Buffer.from(text);

  it("ends the client at once before the command has started", () => {
    expect(new UnansweredInterrupts().typed(keys("ls\x03"))).toBe(true);
  });

  it("ends it at the third that nothing answers", () => {
    const interrupts = new UnansweredInterrupts();
    interrupts.answered();
    expect(["\x03", "\x03", "x", "\x03\x03"].map((text) => interrupts.typed(keys(text)))).toEqual(Array(4).fill(false));
    interrupts.answered();
    expect(["\x03", "\x03", "\x03"].map((text) => interrupts.typed(keys(text)))).toEqual([false, false, true]);
  });
});
