/** Keys that belong to the page rather than to the program in the terminal. */
import type { Terminal } from "@xterm/xterm";

export interface KeySettings {
  /** Tab moves the focus on, as in the rest of the page. */
  readonly isTabFree: boolean;
  readonly onToggleTab: () => void;
}

const copy = (terminal: Terminal): void => {
  const text = terminal.getSelection();
  if (text === "") return;
  // Without the permission the browser's own copy command, which xterm.js listens to, does it.
  navigator.clipboard?.writeText(text).catch(() => document.execCommand("copy"));
  terminal.clearSelection();
};

/** For attachCustomKeyEventHandler: false keeps a key from the terminal. */
export const handleKey = (event: KeyboardEvent, terminal: Terminal, settings: () => KeySettings): boolean => {
  const { key, ctrlKey: ctrl, shiftKey: shift, altKey: alt, metaKey: meta } = event;
  if (key === "Tab" && !ctrl && !alt && !meta && settings().isTabFree) return false;
  const letter = key.toLowerCase();
  const isPaste = (ctrl && shift && letter === "v") || (shift && !ctrl && key === "Insert");
  // The browser's own paste follows, as a paste event.
  if (isPaste && !alt && !meta) return false;
  const wantsCopy = ctrl && !alt && !meta && letter === "c" && (shift || terminal.hasSelection());
  const isToggle = ctrl && shift && !alt && !meta && key === "F6";
  if (!wantsCopy && !isToggle) return true;
  event.preventDefault();
  if (event.type === "keydown") {
    if (wantsCopy) copy(terminal);
    else settings().onToggleTab();
  }
  return false;
};
