/** An xterm.js with the add-ons, renderer and looks that the page uses. */
import { FitAddon } from "@xterm/addon-fit";
import { SerializeAddon } from "@xterm/addon-serialize";
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { type IDisposable, Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { isDark, onThemeChange } from "../theme.ts";
import { FONT_FAMILY, FONT_SIZE_PX, terminalTheme } from "./appearance.ts";
import { openTarget, safeTarget } from "./links.ts";

const SCROLLBACK_ROWS = 5000;

export interface Size {
  readonly cols: number;
  readonly rows: number;
}

export interface Emulator extends IDisposable {
  readonly terminal: Terminal;
  readonly serializer: SerializeAddon;
  /** Draws into `host` from now on. */
  open(host: HTMLElement): Promise<void>;
  /** How many cells the host has room for; null while it is not laid out. */
  roomFor(): Size | null;
}

export interface EmulatorOptions {
  /** `dom` for screen readers and tests; WebGL else, where the browser has it. */
  readonly renderer: "webgl" | "dom";
  /** The target under the pointer, null when it leaves. */
  readonly onLinkHovered: (target: string | null) => void;
}

/** The DOM renderer, slower, stays in place where WebGL is missing or its context is lost. */
const loadWebgl = async (terminal: Terminal): Promise<void> => {
  const { WebglAddon } = await import("@xterm/addon-webgl");
  try {
    const webgl = new WebglAddon();
    webgl.onContextLoss(() => webgl.dispose());
    terminal.loadAddon(webgl);
  } catch {
    // No WebGL 2.
  }
};

export const createEmulator = (options: EmulatorOptions): Emulator => {
  const terminal = new Terminal({
    allowProposedApi: true,
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    fontFamily: FONT_FAMILY,
    fontSize: FONT_SIZE_PX,
    lineHeight: 1.2,
    macOptionClickForcesSelection: true,
    minimumContrastRatio: 4.5,
    scrollback: SCROLLBACK_ROWS,
    theme: terminalTheme(isDark()),
    linkHandler: {
      activate: (_, target) => openTarget(target),
      hover: (_, target) => options.onLinkHovered(safeTarget(target)),
      leave: () => options.onLinkHovered(null),
      // openTarget() decides.
      allowNonHttpProtocols: true,
    },
  });
  const fit = new FitAddon();
  const serializer = new SerializeAddon();
  terminal.loadAddon(fit);
  terminal.loadAddon(serializer);
  terminal.loadAddon(new UnicodeGraphemesAddon());
  terminal.loadAddon(
    new WebLinksAddon((_, target) => openTarget(target), {
      hover: (_, target) => options.onLinkHovered(safeTarget(target)),
      leave: () => options.onLinkHovered(null),
    }),
  );
  // OSC 52 would let any program on the other side read or replace the clipboard.
  terminal.parser.registerOscHandler(52, () => true);
  const unfollow = onThemeChange(() => {
    terminal.options.theme = terminalTheme(isDark());
  });
  return {
    terminal,
    serializer,
    async open(host) {
      terminal.open(host);
      terminal.textarea?.setAttribute("aria-label", "Terminal input");
      if (options.renderer === "webgl") await loadWebgl(terminal);
    },
    roomFor() {
      const room = fit.proposeDimensions();
      if (room === undefined || !(room.cols >= 2) || !(room.rows >= 1)) return null;
      return { cols: Math.min(1000, room.cols), rows: Math.min(1000, room.rows) };
    },
    dispose() {
      unfollow();
      terminal.dispose();
    },
  };
};
