/** An xterm.js with the add-ons, renderer and looks that the page uses. */
import { boundMemory, DEFAULT_SCROLLBACK, guardTerminal } from "@microterm/screen";
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { type IDisposable, Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { isDark, onThemeChange } from "../../theme.ts";
import { FONT_FAMILY, FONT_SIZE_PX, terminalTheme } from "./appearance.ts";
import { keepTrueColors } from "./contrast.ts";
import { openTarget, safeTarget } from "./links.ts";
import { sendWheelAsKeys } from "./wheel.ts";

export interface Emulator extends IDisposable {
  readonly terminal: Terminal;
  /** Draws into `host` from now on. */
  open(host: HTMLElement): void;
  /** What is not looked at needs no graphics context: browsers have 16 of them or so. */
  setShown(isShown: boolean): Promise<void>;
}

export interface EmulatorOptions {
  /** `dom` for screen readers and tests; WebGL else, where the browser has it. */
  readonly renderer: "webgl" | "dom";
  /** The target under the pointer, null when it leaves. */
  readonly onLinkHovered: (target: string | null) => void;
  readonly onThemeChanged: () => void;
  /** Another renderer draws: its cells are of another size. */
  readonly onRendererChanged: () => void;
}

/** The DOM renderer, slower, stays in place where WebGL is missing or its context is lost. */
const loadWebgl = async (
  terminal: Terminal,
  isWanted: () => boolean,
  onLost: () => void,
): Promise<IDisposable | null> => {
  const { WebglAddon } = await import("@xterm/addon-webgl");
  if (!isWanted()) return null;
  try {
    const webgl = new WebglAddon();
    webgl.onContextLoss(() => {
      webgl.dispose();
      onLost();
    });
    // The atlas comes with the first change of the renderer's.
    webgl.onChangeTextureAtlas(() => keepTrueColors(terminal));
    terminal.loadAddon(webgl);
    keepTrueColors(terminal);
    return webgl;
  } catch {
    // No WebGL 2.
    return null;
  }
};

const createTerminal = (onLinkHovered: EmulatorOptions["onLinkHovered"]): Terminal => {
  const hover = (_: MouseEvent, target: string): void => onLinkHovered(safeTarget(target));
  const leave = (): void => onLinkHovered(null);
  const terminal = new Terminal({
    allowProposedApi: true,
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    fontFamily: FONT_FAMILY,
    fontSize: FONT_SIZE_PX,
    lineHeight: 1.2,
    macOptionClickForcesSelection: true,
    minimumContrastRatio: 4.5,
    // Each screen that comes from the server says how many there are to be.
    scrollback: DEFAULT_SCROLLBACK,
    theme: terminalTheme(isDark()),
    // openTarget() decides.
    linkHandler: { activate: (_, target) => openTarget(target), hover, leave, allowNonHttpProtocols: true },
  });
  guardTerminal(terminal, { onFault: (error) => console.error("Some output could not be drawn:", error) });
  terminal.loadAddon(new UnicodeGraphemesAddon());
  terminal.loadAddon(new WebLinksAddon((_, target) => openTarget(target), { hover, leave }));
  // A program must not hang the page; the server's model of the screen has the same bounds.
  boundMemory(terminal);
  sendWheelAsKeys(terminal);
  return terminal;
};

export const createEmulator = (options: EmulatorOptions): Emulator => {
  const terminal = createTerminal(options.onLinkHovered);
  let webgl: IDisposable | null = null;
  let isWanted = false;
  const unfollow = onThemeChange(() => {
    terminal.options.theme = terminalTheme(isDark());
    options.onThemeChanged();
  });
  return {
    terminal,
    open(host) {
      terminal.open(host);
      keepTrueColors(terminal);
      terminal.textarea?.setAttribute("aria-label", "Terminal input");
    },
    async setShown(isShown) {
      isWanted = isShown && options.renderer === "webgl";
      if (isWanted) {
        if (webgl !== null) return;
        const loaded = await loadWebgl(terminal, () => isWanted && webgl === null, options.onRendererChanged);
        if (loaded === null) return;
        webgl = loaded;
        options.onRendererChanged();
      } else {
        webgl?.dispose();
        webgl = null;
      }
    },
    dispose() {
      isWanted = false;
      unfollow();
      terminal.dispose();
    },
  };
};
