import { followScreen } from "@microterm/screen";
import { Terminal } from "@xterm/xterm";
import { describe, expect, test } from "vitest";
import { forgetScreens } from "./kept-screens.ts";
import { createScreenStore, type KeptScreen } from "./screen-store.ts";

const screenOf = async (text: string, offset = 7n): Promise<KeptScreen> => {
  const terminal = new Terminal({ cols: 20, rows: 6, allowProposedApi: true });
  const follower = followScreen(terminal);
  await new Promise<void>((resolve) => follower.write(new TextEncoder().encode(text), resolve));
  const screen = follower.capture({ scrollback: 100 });
  terminal.dispose();
  return {
    offset,
    screen,
    marks: [
      [-3, 0],
      [1, 127],
    ],
  };
};

const memory = (limit: number): globalThis.Storage => {
  const map = new Map<string, string>();
  return {
    get length() {
      return map.size;
    },
    key: (i) => [...map.keys()][i] ?? null,
    getItem: (key) => map.get(key) ?? null,
    removeItem: (key) => void map.delete(key),
    clear: () => map.clear(),
    setItem: (key, value) => {
      const used = [...map].reduce((sum, [k, v]) => (k === key ? sum : sum + v.length), 0);
      if (used + value.length > limit) throw new DOMException("full", "QuotaExceededError");
      map.set(key, value);
    },
  };
};

/** A screen whose content is `units` letters. */
const padded = ({ offset, screen, marks }: KeptScreen, units: number): KeptScreen => ({
  offset,
  marks,
  screen: { ...screen, content: new Uint8Array(units).fill(0x78) },
});

describe("stored screens", () => {
  test("come back as they were, with the bytes of an unfinished sequence", async () => {
    const store = createScreenStore(memory(100_000));
    const kept = await screenOf("hello \x1b[31mred\x1b[4", 18_446_744_073_709_551_615n);
    expect(store.save("e.1", () => kept)).toBe(true);
    expect(store.load("e.1")).toEqual(kept);
    store.drop("e.1");
    expect(store.load("e.1")).toBeNull();
  });
  test("are gone with their session, and do not come back when its page is left", async () => {
    const storage = memory(100_000);
    storage.setItem("another program's", "stays");
    const store = createScreenStore(storage);
    const kept = await screenOf("secret");
    for (const id of ["e.1", "e.2", "f.1"]) expect(store.save(id, () => kept)).toBe(true);
    forgetScreens(storage);
    expect(store.save("e.1", () => kept)).toBe(false);
    expect([storage.length, storage.key(0)]).toEqual([1, "another program's"]);
    // The next session keeps its own.
    expect(createScreenStore(storage).save("e.1", () => kept)).toBe(true);
  });
  test("give up scrollback before they give up", async () => {
    const store = createScreenStore(memory(1200));
    const kept = await screenOf("");
    expect(store.save("e.1", (rows) => padded(kept, rows))).toBe(true);
    expect(store.load("e.1")?.screen.content.length).toBe(250);
  });
  test("make room by dropping those of other terminals", async () => {
    const store = createScreenStore(memory(1200));
    const kept = padded(await screenOf(""), 400);
    store.save("e.1", () => kept);
    expect(store.save("e.2", () => kept)).toBe(true);
    expect(store.load("e.1")).toBeNull();
    expect(store.load("e.2")).not.toBeNull();
  });
  test("are refused when they are anything else", () => {
    for (const text of ["", "null", "7", "7\n{}", '-1\n{"cols":80}', "7 1,2 x\n{}", "7\n{"]) {
      const storage = memory(1000);
      storage.setItem("microterm.screen.e.1", text);
      expect(createScreenStore(storage).load("e.1")).toBeNull();
    }
  });
});
