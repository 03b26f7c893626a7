import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";
const KEY = "microterm.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

const read = (): Theme => {
  const { theme } = document.documentElement.dataset;
  return theme === "light" || theme === "dark" ? theme : "system";
};

export const setTheme = (theme: Theme): void => {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Kept for this visit only.
  }
  for (const listener of listeners) listener();
};

export const onThemeChange = (listener: () => void): (() => void) => {
  listeners.add(listener);
  dark.addEventListener("change", listener);
  return () => {
    listeners.delete(listener);
    dark.removeEventListener("change", listener);
  };
};

/** The theme in effect, chosen by the user or by the system. */
export const isDark = (): boolean => {
  const theme = read();
  return theme === "system" ? dark.matches : theme === "dark";
};

export const useTheme = (): Theme => useSyncExternalStore(onThemeChange, read);
