/**
 * The wheel where there is nothing to scroll: programs on the alternate screen that take no mouse (less, man) get arrow keys. xterm.js 6.0
 * sends one for each event, however far the wheel went, and drops what is less than a row.
 */
import type { Terminal } from "@xterm/xterm";
import { cellOf } from "./xterm-private.ts";

/** What browsers tell of one notch of a wheel, and how many rows it scrolls elsewhere on a desktop. */
const NOTCH_PX = 100;
const ROWS_A_NOTCH = 3;
/** Less than this at a time is a touch pad, which follows the finger. */
const FINE_PX = 50;
/** WheelEvent's DOM_DELTA_LINE and DOM_DELTA_PAGE. */
const LINE = 1;
const PAGE = 2;

export type WheelStep = Pick<WheelEvent, "deltaY" | "deltaMode">;

/** Adds up what less than a row leaves. */
export const createWheelRows = () => {
  let rest = 0;
  return (step: WheelStep, cellHeight: number, rows: number): number => {
    const { deltaY, deltaMode } = step;
    let moved = Math.abs(deltaY) < FINE_PX ? deltaY / Math.max(1, cellHeight) : (deltaY * ROWS_A_NOTCH) / NOTCH_PX;
    if (deltaMode === LINE) moved = deltaY;
    else if (deltaMode === PAGE) moved = deltaY * rows;
    // A turn in the other direction starts again at zero.
    if (Math.sign(rest) !== Math.sign(moved)) rest = 0;
    rest += moved;
    const whole = Math.trunc(rest);
    rest -= whole;
    return whole === 0 ? 0 : whole;
  };
};

export const sendWheelAsKeys = (terminal: Terminal): void => {
  const rowsOf = createWheelRows();
  terminal.attachCustomWheelEventHandler((event) => {
    const { modes, buffer } = terminal;
    const isScrolled = buffer.active.type === "normal" || modes.mouseTrackingMode !== "none";
    if (isScrolled || event.shiftKey || event.ctrlKey || event.deltaY === 0) return true;
    event.preventDefault();
    const rows = rowsOf(event, cellOf(terminal).height, terminal.rows);
    const arrow = `\x1b${modes.applicationCursorKeysMode ? "O" : "["}${rows < 0 ? "A" : "B"}`;
    if (rows !== 0) terminal.input(arrow.repeat(Math.min(Math.abs(rows), terminal.rows)), true);
    return false;
  });
};
