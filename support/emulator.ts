import { followScreen, type ScreenFollower } from "@microterm/screen";
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import headless from "@xterm/headless";

/** Rows above the screen: as many as a keyframe has. */
export const SCROLLBACK = 1000;

/** An emulator that can be read, with the width of characters that the server's and the page's have. */
export interface Emulator {
  readonly terminal: headless.Terminal;
  readonly screen: ScreenFollower;
}

export function createEmulator(cols = 80, rows = 24): Emulator {
  const terminal = new headless.Terminal({
    cols,
    rows,
    scrollback: SCROLLBACK,
    allowProposedApi: true,
    logLevel: "off",
  });
  terminal.loadAddon(new UnicodeGraphemesAddon());
  return { terminal, screen: followScreen(terminal) };
}
