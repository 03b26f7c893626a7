import type { ISearchOptions } from "@xterm/addon-search";

type Colors = NonNullable<ISearchOptions["decorations"]>;

/** Text keeps its own colour on them, so that they stay near the background. */
const DARK: Colors = {
  matchBackground: "#4a3d12",
  matchOverviewRuler: "#e3c06b",
  activeMatchBackground: "#7a5a00",
  activeMatchBorder: "#e3c06b",
  activeMatchColorOverviewRuler: "#f4d98c",
};

const LIGHT: Colors = {
  matchBackground: "#f6e7b4",
  matchOverviewRuler: "#8f6600",
  activeMatchBackground: "#ffd24d",
  activeMatchBorder: "#7d5800",
  activeMatchColorOverviewRuler: "#7d5800",
};

export const searchColors = (isDark: boolean): Colors => (isDark ? DARK : LIGHT);
