/** asciinema-player in the page's colours. Loaded when the first recording is played: it is as large as the terminal. */
import { create, type Player } from "asciinema-player";
import "asciinema-player/dist/bundle/asciinema-player.css";
import "./player.css";
import { appearanceOf, FONT_FAMILY } from "../terminal/emulator/appearance.ts";
import { isDark } from "../theme.ts";

/** Silences longer than this are cut short, seconds. */
const IDLE_LIMIT_S = 2;
/** Of the font, in ems: a cell, the border around all cells; and the bar beneath, pixels. */
const CELL = { width: 0.6, height: 1.2 };
const BORDER = 0.75;
const BAR_PX = 32;

/** Columns and rows, from the first line of an asciicast, v2 or v3. */
const sizeOf = (cast: string): readonly [cols: number, rows: number] => {
  const header: unknown = JSON.parse(cast.slice(0, Math.max(0, cast.indexOf("\n"))));
  const { width, height, term } = header as {
    readonly width?: number;
    readonly height?: number;
    readonly term?: { readonly cols: number; readonly rows: number };
  };
  return [term?.cols ?? width ?? 80, term?.rows ?? height ?? 24];
};

/** Plays a recording (asciicast v2 or v3) in `host`, whose height becomes the recording's, as far as its style allows. */
export const play = (host: HTMLElement, cast: string): Player => {
  const [cols, rows] = sizeOf(cast);
  const ratio = (rows * CELL.height + 2 * BORDER) / (cols * CELL.width + 2 * BORDER);
  host.style.height = `${Math.ceil(host.clientWidth * ratio) + BAR_PX}px`;
  const { foreground, background, palette } = appearanceOf(isDark());
  const set = (name: string, color: string): void => host.style.setProperty(`--microterm-${name}`, color);
  set("foreground", foreground);
  set("background", background);
  for (const [i, color] of palette.entries()) set(String(i), color);
  const player = create({ data: () => cast }, host, {
    autoPlay: true,
    controls: true,
    fit: "both",
    idleTimeLimit: IDLE_LIMIT_S,
    terminalFontFamily: FONT_FAMILY,
    terminalLineHeight: 1.2,
    theme: "microterm",
  });
  // It takes its keys only while the focus is in it.
  host.querySelector<HTMLElement>(".ap-wrapper")?.focus({ preventScroll: true });
  return player;
};
