/** asciinema-player in the page's colours. Loaded when the first recording is played: it is as large as the terminal. */
import { create, type Player } from "asciinema-player";
import "asciinema-player/dist/bundle/asciinema-player.css";
import "./player.css";
import { appearanceOf, FONT_FAMILY } from "../terminal/appearance.ts";
import { isDark } from "../theme.ts";

/** Silences longer than this are cut short, seconds. */
const IDLE_LIMIT_S = 2;
/** Plays a recording (asciicast v2 or v3) in `host`; `load` is asked once. */
export const play = (host: HTMLElement, load: () => Promise<Response>): Player => {
  const { foreground, background, palette } = appearanceOf(isDark());
  const set = (name: string, color: string): void => host.style.setProperty(`--microterm-${name}`, color);
  set("foreground", foreground);
  set("background", background);
  for (const [i, color] of palette.entries()) set(String(i), color);
  return create({ data: load }, host, {
    autoPlay: true,
    controls: true,
    fit: "both",
    idleTimeLimit: IDLE_LIMIT_S,
    terminalFontFamily: FONT_FAMILY,
    terminalLineHeight: 1.2,
    theme: "microterm",
  });
};
