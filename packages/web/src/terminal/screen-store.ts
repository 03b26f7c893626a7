/** Saved screens in a tab's storage: bounded, and never a reason for the page to fail. */
import { parseSavedScreen, type SavedScreen } from "./saved-screen.ts";

const PREFIX = "microterm.screen.";
/** Browsers grant about 5 million UTF-16 units to all of an origin's sessionStorage. */
const MAX_UNITS = 2_000_000;
const MAX_SCREENS = 4;
/** Tried in turn until a screen fits: rows above the visible ones. */
const SCROLLBACK_STEPS: readonly number[] = [1000, 250, 0];

export type Storage = Pick<globalThis.Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

const keysOf = (storage: Storage): string[] =>
  Array.from({ length: storage.length }, (_, i) => storage.key(i) ?? "").filter((key) => key.startsWith(PREFIX));

export interface ScreenStore {
  load(id: string): SavedScreen | null;
  /** Calls `capture` with fewer and fewer rows of scrollback until the result fits. False: nothing was kept. */
  save(id: string, capture: (scrollback: number) => SavedScreen | null): boolean;
  drop(id: string): void;
}

export const createScreenStore = (storage: Storage): ScreenStore => {
  const drop = (key: string): void => {
    try {
      storage.removeItem(key);
    } catch {
      // Storage that is switched off holds nothing to remove.
    }
  };
  const put = (key: string, text: string): boolean => {
    try {
      storage.setItem(key, text);
      return true;
    } catch {
      return false;
    }
  };
  return {
    load(id) {
      try {
        return parseSavedScreen(storage.getItem(PREFIX + id));
      } catch {
        return null;
      }
    },
    save(id, capture) {
      const key = PREFIX + id;
      for (const scrollback of SCROLLBACK_STEPS) {
        const screen = capture(scrollback);
        if (screen === null) return false;
        const text = JSON.stringify(screen);
        if (text.length > MAX_UNITS) continue;
        const others = keysOf(storage).filter((other) => other !== key);
        for (const other of others.slice(0, Math.max(0, others.length - MAX_SCREENS + 1))) drop(other);
        if (put(key, text)) return true;
        for (const other of others) drop(other);
        if (put(key, text)) return true;
      }
      // An old screen with its old offset is still true, unless the ring has moved on, which the server says.
      return false;
    },
    drop: (id) => drop(PREFIX + id),
  };
};
