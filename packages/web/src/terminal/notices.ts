/** What the server tells a terminal's window beside its output, in the page's words: what is, and what to do about it. */

/** By their codes in docs/reference/terminal-protocol.md. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ["paused", "What was typed while the environment was paused is lost: once it runs, type it again."],
  ["read-only", "This window only looks on, so nothing can be typed here. Open the environment from the list to type."],
  [
    "offset-unknown",
    "The screen kept from before was another terminal's and is dropped: this is the terminal as it is now.",
  ],
  ["screen-cut", "Output from before is gone, so the screen may be incomplete. Ctrl+L redraws most programs."],
  [
    "screen-empty",
    "A program's output was too much for the screen that is kept of this terminal: it begins empty in each new window. Ctrl+L redraws most programs, and a new terminal is kept again.",
  ],
]);

/** `message`: the server's own words, for a code that this page does not know. */
export const noticeWords = (code: string, message: string): string => WORDS.get(code) ?? message;
