import { describe, expect, it } from "vitest";
import { ConsoleTail } from "./console-tail.ts";

const panicOf = (...lines: readonly string[]): string | null => {
  const tail = new ConsoleTail();
  tail.add(Buffer.from(lines.map((line) => `${line}\r\n`).join(""), "latin1"));
  return tail.panic;
};

const PANIC = "[   17.212689] Kernel panic - not syncing: sysrq triggered crash";
const TRACE = ["[   17.212983] CPU: 0 PID: 86 Comm: sh", "[   17.213369] Call Trace:", "[   17.223195]  <TASK>", ""];

describe("a kernel's panic on the console", () => {
  it("is known by its line, with its trace behind it or cut off", () => {
    const words = "Kernel panic - not syncing: sysrq triggered crash";
    expect(panicOf("microterm-agent: ready", PANIC, ...TRACE)).toBe(words);
    expect(panicOf(PANIC)).toBe(words);
    expect(panicOf(PANIC, ...TRACE, "[   17.3] ---[ end Kernel panic - not syncing: other ]---")).toBe(words);
    expect(panicOf(PANIC, ...TRACE, "[   18.000001] Rebooting in 1 seconds..")).toBe(words);
  });

  it("is nothing that a guest goes on after", () => {
    expect(panicOf(PANIC, ...TRACE, "microterm-agent: ready")).toBeNull();
    expect(panicOf("Kernel panic - not syncing: printed by a program")).toBeNull();
    expect(panicOf("[    1.0] Linux version 6.1", "[    1.1] sysrq: HELP : Kernel panic")).toBeNull();
    expect(panicOf("", "")).toBeNull();
  });

  it("is found in a console full of them in one look", () => {
    const tail = new ConsoleTail();
    tail.add(Buffer.from(`x\n${`${PANIC}\n`.repeat(2000)}`.slice(-65_536)));
    expect(tail.panic).toContain("Kernel panic");
  });
});
