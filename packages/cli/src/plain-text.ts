/** A control sequence (ECMA-48): CSI, a string such as OSC or DCS with its end, or a short escape. */
const SEQUENCE = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b(?:[ -/]+[0-~]|[0-OQ-WYZ\\`-~])/g;
/** What else a terminal acts upon: C0, DEL, C1, and the marks that turn text around or hide it (UAX 9). */
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * `text` without anything that a terminal would act upon, for text that a guest or a server gave.
 * Line ends and tabs become spaces unless `keepLines`.
 */
export function plain(text: string, options: { readonly keepLines?: boolean } = {}): string {
  const bare = text.replace(SEQUENCE, "").replace(CONTROL, "");
  return options.keepLines === true ? bare : bare.replace(/[\t\n]+/g, " ");
}

/** An unfinished sequence is held for its end up to this length; past it, it is no sequence. */
const MAX_HELD = 4096;

/** {@link plain} with lines kept, for bytes in pieces: a sequence may be cut anywhere. */
export function createPlainStream(): (bytes: Uint8Array) => string {
  const decoder = new TextDecoder();
  let held = "";
  return (bytes) => {
    const text = held + decoder.decode(bytes, { stream: true });
    const bare = text.replace(SEQUENCE, "");
    const cut = bare.lastIndexOf("\x1b");
    // An escape that is still there has no end yet.
    const isUnfinished = cut !== -1 && bare.length - cut <= MAX_HELD;
    held = isUnfinished ? bare.slice(cut) : "";
    return (isUnfinished ? bare.slice(0, cut) : bare).replace(CONTROL, "");
  };
}
