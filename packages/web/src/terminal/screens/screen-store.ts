/** Saved screens in a tab's storage: bounded, and never a reason for the page to fail. */
import { MAX_SCROLLBACK, parseScreen, type Screen, stringifyScreen } from "@microterm/screen";
import type { PromptMark } from "../emulator/shell-integration.ts";
import { endedSessions, keysOf, PREFIX, remove, type Storage } from "./kept-screens.ts";

/** Browsers grant about 5 million UTF-16 units to all of an origin's sessionStorage. */
const MAX_UNITS = 2_000_000;
const MAX_SCREENS = 4;
/** Prompts that are kept with a screen. */
const MAX_MARKS = 500;
/** Tried in turn until a screen fits: rows above the visible ones, first all that the terminal has. */
const SCROLLBACK_STEPS: readonly number[] = [MAX_SCROLLBACK, 1000, 250, 0];

export interface KeptScreen {
  /** The offset of the first byte that is not in the screen. */
  readonly offset: bigint;
  readonly screen: Screen;
  readonly marks: readonly PromptMark[];
}

const toText = ({ offset, screen, marks }: KeptScreen): string =>
  `${offset} ${marks.slice(-MAX_MARKS).join(" ")}\n${stringifyScreen(screen)}`;

/** Storage may hold anything: another version's screen, another program's, a half-written one. */
const fromText = (text: string | null): KeptScreen | null => {
  const [, offset, marks, rest] = /^(\d{1,20})((?: -?\d{1,6},\d{1,3})*) ?\n(.*)$/s.exec(text ?? "") ?? [];
  const screen = rest === undefined ? null : parseScreen(rest);
  if (screen === null) return null;
  const rows = (marks ?? "").split(" ").filter((mark) => mark !== "");
  return {
    offset: BigInt(offset ?? 0),
    screen,
    marks: rows.map((mark): PromptMark => {
      const [row = 0, failure = 0] = mark.split(",").map(Number);
      return [row, failure];
    }),
  };
};

export interface ScreenStore {
  load(id: string): KeptScreen | null;
  /** Calls `capture` with fewer and fewer rows of scrollback until the result fits. False: nothing was kept. */
  save(id: string, capture: (scrollback: number, limitBytes: number) => KeptScreen): boolean;
  drop(id: string): void;
}

export const createScreenStore = (storage: Storage): ScreenStore => {
  const born = endedSessions();
  const drop = (key: string): void => remove(storage, key);
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
        return fromText(storage.getItem(PREFIX + id));
      } catch {
        return null;
      }
    },
    save(id, capture) {
      if (born !== endedSessions()) return false;
      const key = PREFIX + id;
      for (const scrollback of SCROLLBACK_STEPS) {
        const text = toText(capture(scrollback, MAX_UNITS));
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
