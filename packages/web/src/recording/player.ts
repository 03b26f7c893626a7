/** asciinema-player in the page's colours. Loaded when the first recording is played: it is as large as the terminal. */
import { create, type Player } from "asciinema-player";
import "asciinema-player/dist/bundle/asciinema-player.css";
import "./player.css";
import { FONT_FAMILY, terminalTheme } from "../terminal/appearance.ts";
import { isDark } from "../theme.ts";

/** Silences longer than this are cut short, seconds. */
const IDLE_LIMIT_S = 2;
const PALETTE = [
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

/** Plays a recording (asciicast v2 or v3) in `host`; `load` is asked once. */
export const play = (host: HTMLElement, load: () => Promise<Response>): Player => {
  const theme = terminalTheme(isDark());
  const set = (name: string, color: string | undefined): void =>
    host.style.setProperty(`--microterm-${name}`, color ?? "");
  set("foreground", theme.foreground);
  set("background", theme.background);
  for (const [i, name] of PALETTE.entries()) set(String(i), theme[name]);
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
