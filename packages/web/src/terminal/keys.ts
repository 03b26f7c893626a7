/**
 * Keys that belong to the page rather than to the program in the terminal. Browsers leave them to pages, and programs can't tell most
 * of them from the same keys without Shift: Ctrl+T, Ctrl+W and Ctrl+Shift+T are the browser's own and reach no page.
 */
import type { Terminal } from "@xterm/xterm";

export interface KeySettings {
  /** Tab moves the focus on, as in the rest of the page. */
  readonly isTabFree: boolean;
  /** There Ctrl+V is the program's, and Cmd+V pastes. */
  readonly isMac: boolean;
}

export type PageKey = "toggle-tab" | "find" | "palette" | "new-terminal" | "next-terminal" | "previous-terminal";
type OwnKey = PageKey | "send-ctrl-v" | "copy" | "next-prompt" | "previous-prompt";

/** Quotes the next key in shells and editors, and begins vim's blocks. */
const CTRL_V = "\x16";

const copy = (terminal: Terminal): void => {
  const text = terminal.getSelection();
  if (text === "") return;
  // Without the permission the browser's own copy command, which xterm.js listens to, does it.
  navigator.clipboard?.writeText(text).catch(() => document.execCommand("copy"));
  terminal.clearSelection();
};

type Chord = Pick<KeyboardEvent, "key" | "ctrlKey" | "shiftKey" | "altKey" | "metaKey">;

const WITH_CONTROL_SHIFT: Readonly<Record<string, OwnKey>> = {
  c: "copy",
  enter: "new-terminal",
  f: "find",
  p: "palette",
  f6: "toggle-tab",
  arrowup: "previous-prompt",
  arrowdown: "next-prompt",
  arrowleft: "previous-terminal",
  arrowright: "next-terminal",
};

/** What the page does with a key; null: nothing, it is the program's. */
export const ownKey = ({ key, ctrlKey, shiftKey, altKey, metaKey }: Chord, hasSelection: boolean): OwnKey | null => {
  const name = key.toLowerCase();
  // Ctrl+V itself pastes.
  if (altKey) return ctrlKey && !shiftKey && !metaKey && name === "v" ? "send-ctrl-v" : null;
  if (ctrlKey && !metaKey) {
    if (shiftKey) return WITH_CONTROL_SHIFT[name] ?? null;
    return name === "c" && hasSelection ? "copy" : null;
  }
  // macOS: Cmd+C is the browser's own.
  return metaKey && !ctrlKey && shiftKey && name !== "c" ? (WITH_CONTROL_SHIFT[name] ?? null) : null;
};

/** Left to the browser: moving the focus, and the paste that comes as an event. */
export const isBrowsers = (
  { key, ctrlKey, shiftKey, altKey, metaKey }: Chord,
  { isTabFree, isMac }: KeySettings,
): boolean => {
  if (altKey || metaKey) return false;
  if (key === "Tab") return !ctrlKey && isTabFree;
  if (ctrlKey && !shiftKey && key.toLowerCase() === "v") return !isMac;
  return shiftKey && (ctrlKey ? key.toLowerCase() === "v" : key === "Insert");
};

export interface KeyOptions {
  readonly terminal: Terminal;
  readonly settings: () => KeySettings;
  readonly jump: (direction: -1 | 1) => void;
  readonly onPageKey: (key: PageKey) => void;
}

/** For attachCustomKeyEventHandler: false keeps a key from the terminal. */
export const createKeyHandler =
  ({ terminal, settings, jump, onPageKey }: KeyOptions) =>
  (event: KeyboardEvent): boolean => {
    if (isBrowsers(event, settings())) return false;
    const own = ownKey(event, terminal.hasSelection());
    if (own === null) return true;
    event.preventDefault();
    if (event.type !== "keydown") return false;
    if (own === "copy") copy(terminal);
    else if (own === "send-ctrl-v") terminal.input(CTRL_V, true);
    else if (own === "previous-prompt") jump(-1);
    else if (own === "next-prompt") jump(1);
    else onPageKey(own);
    return false;
  };
