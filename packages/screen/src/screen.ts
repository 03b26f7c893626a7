/** The screen of a terminal as bytes and a little JSON: what a keyframe carries, and what is kept while nobody looks. */
import { z } from "zod";

/** Bytes of UTF-8 in a title, and of a path (PATH_MAX). */
export const MAX_TITLE = 256;
export const MAX_PATH = 4096;
/** Rows above the screen, unless set otherwise, and at most: 120 columns of so many take 14 MB in each client. */
export const DEFAULT_SCROLLBACK = 1000;
export const MAX_SCROLLBACK = 10_000;

const word = z.number().int();
/** Row (0 is the screen's first, rows above are negative), column, content, foreground, background, extended, characters, link's name. */
const Cell = z.tuple([word, word, word, word, word, word, z.string().max(1024), word.optional()]);
const Saved = z.strictObject({ x: word, y: word, fg: word, bg: word, charset: z.string().length(1) });
/** No terminal is wider. */
export const MAX_COLS = 1000;
const BufferState = z.strictObject({
  saved: Saved,
  /** Tab stops beyond the right edge, which come back when the terminal grows. */
  hiddenTabs: z.array(word.min(0).max(MAX_COLS)).max(MAX_COLS).default([]),
  /** Rows that continue the row above although the bytes don't say so. */
  wrapped: z.array(word),
  /** Cells that no bytes can make, as xterm.js keeps them. */
  cells: z.array(Cell),
});

/** What bytes can't say, for an xterm.js of the same version. Any other terminal does without. */
export const ScreenState = z.strictObject({
  /** 1 had no names of links, and nothing that has a default here. */
  version: z.literal([1, 2]),
  title: z.string().max(MAX_TITLE),
  /** The working directory by OSC 7; null when no program reported one. */
  cwd: z.string().max(MAX_PATH).nullable(),
  /** The cursor stands behind the last column, where the next character wraps. */
  isWrapPending: z.boolean(),
  /** xterm.js's grapheme state, so that a combining mark that comes next joins the character before it. */
  joinState: word,
  attributes: z.strictObject({ fg: word, bg: word, ext: word }),
  charset: z.string().length(1),
  /** Cursor blinking by DECSET 12, null when no program asked. */
  isBlinking: z.boolean().nullable(),
  /** By DECSCUSR, each null when no program asked. */
  cursor: z
    .strictObject({ style: z.enum(["block", "underline", "bar"]).nullable(), isBlinking: z.boolean().nullable() })
    .default({ style: null, isBlinking: null }),
  normal: BufferState,
  alternate: BufferState,
  /** So many bytes at the end of the content are an unfinished sequence. */
  tailBytes: z.number().int().nonnegative(),
  /** Rows above the screen that the terminal keeps at most: all clients use the server's number. */
  scrollback: z.number().int().min(0).max(MAX_SCROLLBACK).default(DEFAULT_SCROLLBACK),
  /** Mode 2027: characters that follow have the widths of graphemes. Before version 2 all had. */
  isGraphemes: z.boolean().default(true),
  /** Older rows were dropped. */
  hasLostRows: z.boolean().default(false),
  /** Something was left out because the screen is larger than a keyframe may be. */
  isReduced: z.boolean(),
});
export type ScreenState = z.infer<typeof ScreenState>;
export type BufferState = z.infer<typeof BufferState>;

export interface Screen {
  readonly cols: number;
  readonly rows: number;
  /** What to write to a fresh terminal of that size. */
  readonly content: Uint8Array;
  readonly state: ScreenState;
}

const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/);
const size = z.number().int().min(1).max(MAX_COLS);
const Stored = z.strictObject({
  cols: size,
  rows: size,
  text: z.string(),
  tail: base64,
  state: ScreenState,
});

/** As text, for a storage that keeps text. */
export const stringifyScreen = ({ cols, rows, content, state }: Screen): string => {
  const cut = content.length - state.tailBytes;
  const text = new TextDecoder().decode(content.subarray(0, cut));
  const tail = btoa(String.fromCharCode(...content.subarray(cut)));
  return JSON.stringify({ cols, rows, text, tail, state } satisfies z.infer<typeof Stored>);
};

/** null for whatever {@link stringifyScreen} of this version did not make. */
export const parseScreen = (text: string): Screen | null => {
  try {
    const { cols, rows, text: body, tail, state } = Stored.parse(JSON.parse(text));
    const bytes = new TextEncoder().encode(body);
    const end = Uint8Array.from(atob(tail), (char) => char.charCodeAt(0));
    const content = new Uint8Array(bytes.length + end.length);
    content.set(bytes);
    content.set(end, bytes.length);
    return { cols, rows, content, state };
  } catch {
    return null;
  }
};

/** The JSON of a keyframe; null when it is of another shape. */
export const parseScreenState = (json: unknown): ScreenState | null => ScreenState.safeParse(json).data ?? null;
