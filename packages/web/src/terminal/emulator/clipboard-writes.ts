/** OSC 52: programs may write the clipboard once a person has agreed to it, and never read it. */
import type { Terminal } from "@xterm/xterm";

/** Characters of base64; more than a person would paste again. */
const MAX_BASE64 = 1_400_000;

/** The text that a sequence's data (`targets;base64`) asks to copy; null for a question and for whatever is none. */
export const textToCopy = (data: string): string | null => {
  const cut = data.indexOf(";");
  const base64 = data.slice(cut + 1).replace(/\s/g, "");
  if (cut < 0 || !/^[cpqs0-7]*$/.test(data.slice(0, cut)) || base64 === "" || base64.length > MAX_BASE64) return null;
  try {
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
};

/** Answers no question: what a person has copied is not the program's to know. */
export const hearCopies = (terminal: Terminal, onCopy: (text: string) => void): void => {
  terminal.parser.registerOscHandler(52, (data) => {
    const text = textToCopy(data);
    if (text !== null && text !== "") onCopy(text);
    return true;
  });
};
