import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { NEVER_OPENED_RANGES, SPECIAL_RANGES } from "@microterm/protocol";
import { expect, it } from "vitest";

const read = (path: string) => readFileSync(resolve(import.meta.dirname, "../..", path), "utf8");

/** Ranges of one list of a source: `[10, 0, 0, 0], 8`, without comments. */
function ranges(source: string, list: string): readonly string[] {
  const text = new RegExp(`const ${list}\\b[^=]*= \\[\\n(.*?)\\n\\];`, "s").exec(source)?.[1] ?? "";
  const found = text.replaceAll(/\/\/.*/g, "").matchAll(/(\d+), (\d+), (\d+), (\d+)\], (\d+)/g);
  return [...found].map(([, a, b, c, d, prefix]) => `${a}.${b}.${c}.${d}/${prefix}`).sort();
}

it.each([
  ["SPECIAL", SPECIAL_RANGES],
  ["NEVER", NEVER_OPENED_RANGES],
])("names, pods and slots have the same ceiling: %s", (list, own) => {
  const inSlots = ranges(read("rust/host/src/network/ceiling.rs"), list);
  expect(inSlots).toContain("127.0.0.0/8");
  expect([...own].sort()).toEqual(inSlots);
});

it("the limits of connections that are shown are those of slots", () => {
  const number = (path: string, text: RegExp): number => Number(text.exec(read(path))?.[1]);
  const [rules, shown] = ["rust/host/src/network/rules.rs", "packages/networks/src/slots/slot-network.ts"];
  expect(number(rules, /const CONNECTIONS: u32 = (\d+);/)).toBe(number(shown, /open: (\d+),/));
  expect(number(rules, /const CONNECTIONS_A_SECOND: u32 = (\d+);/)).toBe(number(shown, /newPerSecond: (\d+) \}/));
});
