/**
 * Readable text where a program chose from the theme's own colours, and exactly the colour where it named one. xterm.js 6.0 applies its
 * minimum contrast to every colour, so that pictures made of characters and dark greys come out lighter.
 */
import type { Terminal } from "@xterm/xterm";
import { rendererOf } from "./xterm-private.ts";

/** xterm.js's colour modes: 0 is the theme's foreground, 1 the first 16, 2 one of 256, 3 red, green and blue. */
const MODE = 0x3000000;
const P16 = 0x1000000;
const P256 = 0x2000000;

/** Is it one of those that a theme has? */
export const isThemeColor = (mode: number, color: number): boolean =>
  (mode & MODE) === 0 || (mode & MODE) === P16 || ((mode & MODE) === P256 && color < 16);

interface Cell {
  isInverse(): number;
  getFgColorMode(): number;
  getFgColor(): number;
  getBgColorMode(): number;
  getBgColor(): number;
}

interface RowFactory {
  _applyMinimumContrast(element: unknown, bg: unknown, fg: unknown, cell: Cell, ...overrides: unknown[]): boolean;
}

interface Atlas {
  _getMinimumContrastColor(
    bg: number,
    bgMode: number,
    bgColor: number,
    fg: number,
    fgMode: number,
    fgColor: number,
    ...rest: unknown[]
  ): unknown;
}

const fixed = new WeakSet<object>();
const shapeOf = <T extends object>(of: T | undefined): T | null => {
  const shape = of === undefined ? null : (Object.getPrototypeOf(of) as T);
  if (shape === null || fixed.has(shape)) return null;
  fixed.add(shape);
  return shape;
};

/** Of the renderer that draws now, DOM or WebGL; all of one kind share it. */
export const keepTrueColors = (terminal: Terminal): void => {
  const renderer = rendererOf(terminal) as
    | { readonly _rowFactory?: RowFactory; readonly _charAtlas?: Atlas }
    | undefined;
  const rows = shapeOf(renderer?._rowFactory);
  if (rows !== null) {
    const apply = rows._applyMinimumContrast;
    rows._applyMinimumContrast = function (element, bg, fg, cell, ...overrides) {
      const isOwn = cell.isInverse()
        ? isThemeColor(cell.getBgColorMode(), cell.getBgColor())
        : isThemeColor(cell.getFgColorMode(), cell.getFgColor());
      return isOwn && apply.call(this, element, bg, fg, cell, ...overrides);
    };
  }
  const atlas = shapeOf(renderer?._charAtlas);
  if (atlas !== null) {
    const adjust = atlas._getMinimumContrastColor;
    atlas._getMinimumContrastColor = function (bg, bgMode, bgColor, fg, fgMode, fgColor, ...rest) {
      return isThemeColor(fgMode, fgColor)
        ? adjust.call(this, bg, bgMode, bgColor, fg, fgMode, fgColor, ...rest)
        : undefined;
    };
  }
};
