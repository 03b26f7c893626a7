import { DEFAULT_SCROLLBACK, followScreen, type ScreenFollower } from "@microterm/screen";
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import headless from "@xterm/headless";

/** Rows above the screen, as where nobody says otherwise. */
export const SCROLLBACK = DEFAULT_SCROLLBACK;

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
