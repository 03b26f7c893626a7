import type { Appearance } from "@microterm/protocol";
import type { ITheme } from "@xterm/xterm";

export const FONT_SIZE_PX = 14;
export const FONT_FAMILY = '"JetBrains Mono Variable", ui-monospace, "DejaVu Sans Mono", monospace';

/** Cells are measured once, at the first fit: the fonts must be there by then, or every column is off. */
export const loadFonts = async (): Promise<void> => {
  const faces = ["400", "700"].map((weight) =>
    document.fonts.load(`${weight} ${FONT_SIZE_PX}px "JetBrains Mono Variable"`),
  );
  // A font that can't be had leaves the fallback, not a blank page.
  await Promise.allSettled(faces);
};

/** The theme's names of the ANSI colours 0 to 15. */
const ANSI = [
  "black",
  "red",
  "green",
  "yellow",
  "blue",
  "magenta",
  "cyan",
  "white",
  "brightBlack",
  "brightRed",
  "brightGreen",
  "brightYellow",
  "brightBlue",
  "brightMagenta",
  "brightCyan",
  "brightWhite",
] as const;

type Theme = ITheme & Readonly<Record<(typeof ANSI)[number] | "foreground" | "background" | "cursor", string>>;

const DARK: Theme = {
  background: "#0e1416",
  foreground: "#d6dfe0",
  cursor: "#5fd0c5",
  cursorAccent: "#0e1416",
  selectionBackground: "#2c5057",
  selectionInactiveBackground: "#263a3f",
  scrollbarSliderBackground: "#3a474b80",
  scrollbarSliderHoverBackground: "#4c5b60b0",
  scrollbarSliderActiveBackground: "#5d6b70c0",
  black: "#1d2629",
  red: "#f2777a",
  green: "#7fcf8a",
  yellow: "#e3c06b",
  blue: "#6fb3f2",
  magenta: "#c99bf0",
  cyan: "#5fd0c5",
  white: "#c5cfd1",
  brightBlack: "#74848a",
  brightRed: "#ff9a9c",
  brightGreen: "#a0e6a8",
  brightYellow: "#f4d98c",
  brightBlue: "#97cbff",
  brightMagenta: "#dcbcff",
  brightCyan: "#8ae8de",
  brightWhite: "#ffffff",
};

const LIGHT: Theme = {
  background: "#fdfdfc",
  foreground: "#1f2a2e",
  cursor: "#0b7a75",
  cursorAccent: "#fdfdfc",
  selectionBackground: "#b9dedb",
  selectionInactiveBackground: "#d9e6e5",
  scrollbarSliderBackground: "#9aa6aa70",
  scrollbarSliderHoverBackground: "#7d8a8fa0",
  scrollbarSliderActiveBackground: "#6b777cc0",
  black: "#1f2a2e",
  red: "#b3261e",
  green: "#1b7233",
  yellow: "#7d5800",
  blue: "#1c5fab",
  magenta: "#8b3aa8",
  cyan: "#08706b",
  white: "#c6cecf",
  brightBlack: "#5d6a6f",
  brightRed: "#cc3a31",
  brightGreen: "#1f8040",
  brightYellow: "#8f6600",
  brightBlue: "#2a72c6",
  brightMagenta: "#a14cc0",
  brightCyan: "#0d807a",
  brightWhite: "#eef1f1",
};

export const terminalTheme = (isDark: boolean): Theme => (isDark ? DARK : LIGHT);

/** The colours that programs are told when they ask. */
export const appearanceOf = (isDark: boolean): Appearance & { readonly palette: readonly string[] } => {
  const theme = terminalTheme(isDark);
  const { foreground, background, cursor } = theme;
  return { foreground, background, cursor, palette: ANSI.map((name) => theme[name]) };
};
