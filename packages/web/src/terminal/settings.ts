/** How a person uses terminals in this browser. */
import { useSyncExternalStore } from "react";
import { createStore } from "../store.ts";

export interface TerminalSettings {
  /** Tab moves the focus out of the terminal. */
  readonly isTabFree: boolean;
  readonly isScreenReader: boolean;
}

const KEY = "microterm.terminal";

const load = (): TerminalSettings => {
  const none = { isTabFree: false, isScreenReader: false };
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<TerminalSettings>;
    return { isTabFree: kept.isTabFree === true, isScreenReader: kept.isScreenReader === true };
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
