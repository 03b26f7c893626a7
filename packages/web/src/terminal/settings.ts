/** How a person uses terminals in this browser. */
import { useSyncExternalStore } from "react";
import { createStore } from "../store.ts";

export interface TerminalSettings {
  /** Tab moves the focus out of the terminal. */
  readonly isTabFree: boolean;
  readonly isScreenReader: boolean;
  /** Option types Meta, as Alt does elsewhere, and no characters of its own. */
  readonly isOptionMeta: boolean;
  /** Programs may copy to the clipboard (OSC 52); null until a person was asked. */
  readonly mayCopy: boolean | null;
}

/** Where Option is, and where Ctrl+V is no browser's paste. */
export const IS_MAC = typeof navigator !== "undefined" && /^Mac/.test(navigator.platform);

const KEY = "microterm.terminal";

const load = (): TerminalSettings => {
  const none = { isTabFree: false, isScreenReader: false, isOptionMeta: IS_MAC, mayCopy: null };
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<TerminalSettings>;
    return {
      isTabFree: kept.isTabFree === true,
      isScreenReader: kept.isScreenReader === true,
      isOptionMeta: typeof kept.isOptionMeta === "boolean" ? kept.isOptionMeta : IS_MAC,
      mayCopy: typeof kept.mayCopy === "boolean" ? kept.mayCopy : null,
    };
  } catch {
    return none;
  }
};

const store = createStore(load());

export const terminalSettings = (): TerminalSettings => store.get();
export const useTerminalSettings = (): TerminalSettings => useSyncExternalStore(store.subscribe, store.get);

export const changeTerminalSettings = (change: Partial<TerminalSettings>): void => {
  store.set(change);
  try {
    localStorage.setItem(KEY, JSON.stringify(store.get()));
  } catch {
    // Kept for this visit only.
  }
};
