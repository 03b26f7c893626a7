/** Draws what comes, and keeps the screen in the tab's storage so that a refresh continues at the next byte. */
import { followScreen, parseScreenState } from "@microterm/screen";
import type { Keyframe } from "@microterm/sdk";
import type { Terminal } from "@xterm/xterm";
import { createDrawingQueue } from "../emulator/drawing-queue.ts";
import type { ShellIntegration } from "../emulator/shell-integration.ts";
import { createScreenStore } from "./screen-store.ts";

/** A screen costs about 20 ms to serialise: only when output has paused, and not more often than this. */
const SAVE_EVERY_MS = 5000;
const QUIET_MS = 1000;

export interface ScreenKeeper {
  /** Draws the kept screen. Resolves to the offset to continue from, null when nothing is kept. */
  restore(): Promise<bigint | null>;
  /** Draws these bytes, which end at `end`; `drawn` is called when they are parsed. */
  draw(bytes: Uint8Array, end: bigint, drawn: () => void): void;
  /** Replaces all that is drawn. */
  keyframe(keyframe: Keyframe, drawn: () => void): void;
  /** Bytes are missing up to `offset`. `isAnother`: what is drawn belongs to something else, so it goes. */
  skip(offset: bigint, isAnother: boolean, drawn: () => void): void;
  /** Runs `action` between the bytes drawn before and those drawn after. */
  inOrder(action: () => void): void;
  /** All bytes before it have been drawn; null before there were any. */
  readonly drawn: bigint | null;
  readonly title: string;
  readonly cwd: string;
  /** Output older than what can be scrolled to was dropped. */
  readonly hasLostRows: boolean;
  forget(): void;
  dispose(): void;
}

type Marks = Pick<ShellIntegration, "marks" | "restore">;

/** `id` names the terminal for good: a terminal of the same name in a guest that was restarted is another one. */
export const createScreenKeeper = (terminal: Terminal, id: string, shell: Marks): ScreenKeeper => {
  const store = createScreenStore(sessionStorage);
  const follower = followScreen(terminal);
  const queue = createDrawingQueue(terminal);
  let drawn: bigint | null = null;
  let isChanged = false;
  let changedAt = 0;

  const save = (): void => {
    // The screen saved before, with its own offset, is as true.
    if (!isChanged || !queue.settle() || drawn === null) return;
    const offset = drawn;
    isChanged = false;
    store.save(id, (scrollback, limitBytes) => ({
      offset,
      screen: follower.capture({ scrollback, limitBytes }),
      marks: shell.marks(),
    }));
  };
  const saveWhenHidden = (): void => {
    if (document.visibilityState === "hidden") save();
  };
  const timer = setInterval(() => {
    if (performance.now() - changedAt >= QUIET_MS) save();
  }, SAVE_EVERY_MS);
  addEventListener("pagehide", save);
  document.addEventListener("visibilitychange", saveWhenHidden);

  const forget = (): void => {
    isChanged = false;
    store.drop(id);
  };
  const reached = (offset: bigint, parsed: () => void, then: () => void) => (): void => {
    drawn = offset;
    isChanged = true;
    changedAt = performance.now();
    then();
    parsed();
  };

  return {
    get drawn() {
      return drawn;
    },
    get title() {
      return follower.title;
    },
    get cwd() {
      return follower.cwd ?? "";
    },
    get hasLostRows() {
      return follower.hasLostRows;
    },
    async restore() {
      const kept = store.load(id);
      if (kept === null) return null;
      await follower.restore(kept.screen);
      shell.restore(kept.marks);
      drawn = kept.offset;
      return drawn;
    },
    draw(bytes, end, then) {
      queue.push((parsed) => follower.write(bytes, reached(end, parsed, then)), true);
    },
    keyframe({ offset, cols, rows, modes, bytes }, then) {
      const state = parseScreenState(modes);
      queue.push((parsed) => {
        if (state === null) {
          // Of a server of another version: the bytes alone make a screen for any terminal.
          follower.reset();
          terminal.write("", () => terminal.resize(cols, rows));
          follower.write(bytes);
        } else {
          void follower.restore({ cols, rows, content: bytes, state });
        }
        terminal.write("", reached(offset, parsed, then));
      }, false);
    },
    skip(offset, isAnother, then) {
      queue.push((parsed) => {
        if (isAnother) follower.reset();
        else follower.skip();
        const ended = reached(offset, parsed, then);
        terminal.write("", () => {
          ended();
          // An empty screen on which nothing has been drawn yet would not be true for any offset.
          if (isAnother) forget();
        });
      }, false);
    },
    inOrder(action) {
      queue.push((parsed) => {
        action();
        parsed();
      }, true);
    },
    forget,
    dispose() {
      save();
      queue.dispose();
      clearInterval(timer);
      removeEventListener("pagehide", save);
      document.removeEventListener("visibilitychange", saveWhenHidden);
      follower.dispose();
    },
  };
};
