/** Follows what a terminal has drawn, and keeps its screen in the tab's storage so that a refresh continues there. */
import type { Emulator } from "./emulator.ts";
import { createGroundScanner } from "./ground-scanner.ts";
import { trackPalette } from "./palette-tracker.ts";
import { captureScreen, restoreScreen } from "./saved-screen.ts";
import { createScreenStore } from "./screen-store.ts";

/** A screen costs about 20 ms to serialise: only when output has paused, and not more often than this. */
const SAVE_EVERY_MS = 5000;
const QUIET_MS = 1000;

export interface ScreenKeeper {
  /** Draws the kept screen. Resolves to the offset to continue from, null when nothing is kept. */
  restore(): Promise<bigint | null>;
  /** These bytes have been parsed; they end at `end`. */
  drew(bytes: Uint8Array, end: bigint): void;
  /** What follows is the byte at `offset`, whatever was before: a gap, a keyframe, another terminal. */
  skippedTo(offset: bigint): void;
  titleChanged(title: string): void;
  readonly title: string;
  /** All bytes before it have been drawn; null before there were any. */
  readonly drawn: bigint | null;
  forget(): void;
  dispose(): void;
}

/** `id` names the terminal for good: a terminal of the same name in a guest that was restarted is another one. */
export const createScreenKeeper = (emulator: Emulator, id: string): ScreenKeeper => {
  const { terminal, serializer } = emulator;
  const store = createScreenStore(sessionStorage);
  const scanner = createGroundScanner(0n);
  const palette = trackPalette(terminal);
  let drawn: bigint | null = null;
  let title = "";
  let isChanged = false;
  let changedAt = 0;

  const save = (): void => {
    const at = drawn;
    if (!isChanged || at === null) return;
    isChanged = false;
    store.save(id, (scrollback) =>
      captureScreen({
        terminal,
        serializer,
        drawn: at,
        ground: scanner.ground,
        title,
        palette: palette.sequences(),
        scrollback,
      }),
    );
  };
  const saveWhenHidden = (): void => {
    if (document.visibilityState === "hidden") save();
  };
  const timer = setInterval(() => {
    if (performance.now() - changedAt >= QUIET_MS) save();
  }, SAVE_EVERY_MS);
  addEventListener("pagehide", save);
  document.addEventListener("visibilitychange", saveWhenHidden);

  return {
    get drawn() {
      return drawn;
    },
    get title() {
      return title;
    },
    async restore() {
      const saved = store.load(id);
      if (saved === null) return null;
      await restoreScreen(terminal, saved);
      drawn = BigInt(saved.offset);
      title = saved.title;
      scanner.reset(drawn);
      return drawn;
    },
    drew(bytes, end) {
      scanner.feed(bytes);
      drawn = end;
      isChanged = true;
      changedAt = performance.now();
    },
    skippedTo(offset) {
      scanner.reset(offset);
      drawn = offset;
      isChanged = true;
    },
    titleChanged(changed) {
      title = changed;
    },
    forget() {
      isChanged = false;
      store.drop(id);
    },
    dispose() {
      save();
      clearInterval(timer);
      removeEventListener("pagehide", save);
      document.removeEventListener("visibilitychange", saveWhenHidden);
      palette.dispose();
    },
  };
};
