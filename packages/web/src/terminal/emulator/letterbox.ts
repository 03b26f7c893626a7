/** How a terminal fits into the room that a window has: cells, font size, and what is left around it. */
import type { Terminal } from "@xterm/xterm";
import { FONT_SIZE_PX } from "./appearance.ts";
import { cellOf } from "./xterm-private.ts";

export interface Size {
  readonly cols: number;
  readonly rows: number;
}

interface Area {
  readonly width: number;
  readonly height: number;
}

/** Smaller letters can't be read; what is too large even so is scrolled. */
const MIN_FONT_PX = 6;
const FONT_STEP_PX = 0.5;
/** xterm.js keeps this much to the right for its scrollbar. */
const SCROLLBAR_PX = 14;

/** How many cells fit; null where not even a few do, as before the layout. The protocol allows 1000. */
export const roomIn = (area: Area, cell: Area): Size | null => {
  const cols = Math.floor((area.width - SCROLLBAR_PX) / cell.width);
  const rows = Math.floor(area.height / cell.height);
  if (!(cols >= 2) || !(rows >= 1)) return null;
  return { cols: Math.min(1000, cols), rows: Math.min(1000, rows) };
};

/** The largest font size, at most the usual one, at which `size` fits into `area`; `cell` is one at the usual size. */
export const fontFor = (size: Size, area: Area, cell: Area): number => {
  const scale = Math.min(
    1,
    (area.width - SCROLLBAR_PX) / (size.cols * cell.width),
    area.height / (size.rows * cell.height),
  );
  return Math.max(MIN_FONT_PX, Math.floor((FONT_SIZE_PX * scale) / FONT_STEP_PX) * FONT_STEP_PX);
};

export interface Letterbox {
  /** How many cells of the usual size the host has room for; null while it is not laid out. */
  room(): Size | null;
  /** Makes the terminal's letters as small as its host needs, never larger than usual. */
  fit(): void;
  /** Another renderer has come, whose cells are of another size: WebGL rounds them to whole pixels. */
  remeasure(): void;
}

export const createLetterbox = (terminal: Terminal, host: HTMLElement): Letterbox => {
  let usual: Area | null = null;
  let ratio = devicePixelRatio;
  const area = (): Area => {
    const { paddingLeft, paddingRight, paddingTop, paddingBottom } = getComputedStyle(host);
    return {
      width: host.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight),
      height: host.clientHeight - Number.parseFloat(paddingTop) - Number.parseFloat(paddingBottom),
    };
  };
  /** A cell at the usual font size; the browser's zoom changes it. */
  const usualCell = (): Area | null => {
    if (usual !== null && ratio === devicePixelRatio) return usual;
    terminal.options.fontSize = FONT_SIZE_PX;
    const cell = cellOf(terminal);
    if (!(cell.width > 0) || !(cell.height > 0)) return null;
    usual = { width: cell.width, height: cell.height };
    ratio = devicePixelRatio;
    return usual;
  };
  return {
    remeasure() {
      usual = null;
    },
    room() {
      const cell = usualCell();
      return cell === null ? null : roomIn(area(), cell);
    },
    fit() {
      const cell = usualCell();
      if (cell === null) return;
      const { width, height } = area();
      terminal.options.fontSize = fontFor(terminal, { width, height }, cell);
      // Cells are rounded to device pixels, so they don't shrink as exactly as the font.
      while (terminal.options.fontSize > MIN_FONT_PX) {
        const now = cellOf(terminal);
        const fits = now.width * terminal.cols <= width - SCROLLBAR_PX && now.height * terminal.rows <= height;
        if (fits || terminal.options.fontSize >= FONT_SIZE_PX) break;
        terminal.options.fontSize -= FONT_STEP_PX;
      }
    },
  };
};
