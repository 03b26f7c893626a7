import type { ControlSequence } from "./escape-scanner.ts";

/** DEC private modes that are on after a reset (xterm, ctlseqs): wrap and a visible cursor. */
const ON_BY_DEFAULT = new Set([7, 25]);
/** The alternate screen, by its three numbers; left last, so that what is reset shows on the person's own screen. */
const ALTERNATE = new Set([47, 1047, 1049]);
/** Actions written as modes; there is nothing to restore. */
const NOT_MODES = new Set([1048, 2026]);
/** More modes than exist; a hostile program cannot make the list grow past it. */
const MAX_MODES = 256;

/** What is set by other sequences than DEC private modes. */
type Flag = "keypad" | "insert" | "region" | "cursor-shape" | "kitty" | "other-keys" | "colours" | "charset";

/**
 * What a program has changed about the terminal it draws on, so that all of it, and nothing else, is put back when we
 * stop in the middle of the program's life.
 */
export class ScreenModes {
  readonly #changed = new Map<number, boolean>();
  readonly #flags = new Set<Flag>();

  /** Whether the alternate screen is shown. */
  get isAlternate(): boolean {
    return [...ALTERNATE].some((mode) => this.#changed.get(mode) === true);
  }

  see({ kind, body }: ControlSequence): void {
    if (kind === "csi") this.#csi(body);
    else if (kind === "escape") this.#escape(body);
    else if (kind === "osc" && /^(4|10|11|12|17|19);/.test(body)) this.#flags.add("colours");
  }

  /** What to print to undo it all; empty when nothing was changed. */
  undo(): string {
    let text = "";
    for (const [mode, isSet] of this.#changed) {
      if (isSet !== ON_BY_DEFAULT.has(mode) && !ALTERNATE.has(mode)) text += `\x1b[?${mode}${isSet ? "l" : "h"}`;
    }
    // Kitty's stack belongs to a screen, so it is emptied before and after the alternate one is left.
    if (this.#flags.has("kitty")) text += "\x1b[<99u";
    for (const mode of ALTERNATE) if (this.#changed.get(mode) === true) text += `\x1b[?${mode}l`;
    if (this.#flags.has("kitty")) text += "\x1b[<99u";
    if (this.#flags.has("other-keys")) text += "\x1b[>4m";
    if (this.#flags.has("keypad")) text += "\x1b>";
    if (this.#flags.has("insert")) text += "\x1b[4l";
    // Setting the region moves the cursor: save and restore it.
    if (this.#flags.has("region")) text += "\x1b7\x1b[r\x1b8";
    if (this.#flags.has("cursor-shape")) text += "\x1b[0 q";
    if (this.#flags.has("colours")) text += "\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\";
    if (this.#flags.has("charset")) text += "\x0f\x1b(B";
    return `${text}\x1b[0m`;
  }

  #csi(body: string): void {
    const final = body.at(-1);
    if ((final === "h" || final === "l") && body.startsWith("?")) {
      for (const mode of body.slice(1, -1).split(";").map(Number)) this.#set(mode, final === "h");
    } else if (body === "4h" || body === "4l") this.#flag("insert", final === "h");
    else if (final === "r" && /^[\d;]*r$/.test(body)) this.#flag("region", body !== "r");
    else if (body.endsWith(" q")) this.#flag("cursor-shape", body !== "0 q" && body !== " q");
    else if (final === "u" && /^[>=]/.test(body)) this.#flags.add("kitty");
    else if (final === "m" && body.startsWith(">4")) this.#flag("other-keys", body !== ">4m");
  }

  #escape(body: string): void {
    if (body === "c") {
      this.#changed.clear();
      this.#flags.clear();
    } else if (body === "=" || body === ">") this.#flag("keypad", body === "=");
    else if (/^[()*+]/.test(body)) this.#flags.add("charset");
  }

  #flag(name: Flag, isSet: boolean): void {
    if (isSet) this.#flags.add(name);
    else this.#flags.delete(name);
  }

  #set(mode: number, isSet: boolean): void {
    if (!Number.isSafeInteger(mode) || NOT_MODES.has(mode)) return;
    if (this.#changed.has(mode) || this.#changed.size < MAX_MODES) this.#changed.set(mode, isSet);
  }
}
