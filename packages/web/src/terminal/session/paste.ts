/** How text from the clipboard becomes typed bytes. */
const PASTE_START = "\x1b[200~";
const PASTE_END = "\x1b[201~";
/** Small enough that a Ctrl+C typed during a big paste does not wait long, far below the frame limit of 64 KiB. */
export const PASTE_CHUNK = 16 * 1024;

/** Would the shell run part of it before the person has seen it? True when it has a line end and no bracketed paste. */
export const needsPreview = (text: string, isBracketed: boolean): boolean => !isBracketed && /[\r\n]/.test(text);

/**
 * Line ends become carriage returns, as the Enter key sends. In bracketed paste every ESC is dropped, so that pasted text can't end the
 * bracket and be run (xterm's "paste jacking").
 */
export const pasteBytes = (text: string, isBracketed: boolean): Uint8Array => {
  const lines = text.replace(/\r?\n/g, "\r");
  const safe = isBracketed ? `${PASTE_START}${lines.replaceAll("\x1b", "")}${PASTE_END}` : lines;
  return new TextEncoder().encode(safe);
};

export function* chunksOf(bytes: Uint8Array, size: number = PASTE_CHUNK): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** The first lines of a paste, for its preview. */
export const previewOf = (text: string): { readonly lines: readonly string[]; readonly total: number } => {
  const all = text.replace(/\r?\n$/, "").split(/\r\n|\r|\n/);
  return { lines: all.slice(0, 12).map((line) => line.slice(0, 200)), total: all.length };
};
