/** A screen with the offset at which it was taken: what lets a refresh continue at exactly the next byte. */
import type { SerializeAddon } from "@xterm/addon-serialize";
import type { Terminal } from "@xterm/xterm";
import { bufferSequences, modeSequences } from "./screen-modes.ts";
import { coreOf, isAtGround } from "./xterm-internals.ts";

export interface SavedScreen {
  readonly version: 1;
  /** The offset of the first byte that is not in `content`, as a decimal string. */
  readonly offset: string;
  readonly cols: number;
  readonly rows: number;
  readonly title: string;
  /** What to write to a fresh terminal of that size. */
  readonly content: string;
  /** The cursor stands behind the last column, where the next character wraps: no sequence says so. */
  readonly isWrapPending: boolean;
  /** xterm.js's grapheme state, so that a combining mark that comes next joins the character before it. */
  readonly joinState: number;
}

export interface CaptureOptions {
  readonly terminal: Terminal;
  readonly serializer: SerializeAddon;
  /** All bytes before it have been parsed. */
  readonly drawn: bigint;
  /** The last offset between two sequences, see ground-scanner.ts. */
  readonly ground: bigint;
  readonly title: string;
  readonly palette: string;
  /** Rows above the screen to keep. */
  readonly scrollback: number;
}

const RESET_ATTRIBUTES = "\x1b[0m";

/** null where scanner and parser disagree about being between two sequences: then the state can't be trusted. */
export const captureScreen = (options: CaptureOptions): SavedScreen | null => {
  const { terminal, serializer, drawn, ground } = options;
  if ((drawn === ground) !== isAtGround(terminal)) return null;
  const core = coreOf(terminal);
  const size = { cols: terminal.cols, rows: terminal.rows };
  const whole = serializer.serialize({ scrollback: options.scrollback, excludeModes: true });
  let content = options.palette;
  if (terminal.buffer.active.type === "alternate") {
    const normal = serializer.serialize({
      scrollback: options.scrollback,
      excludeModes: true,
      excludeAltBuffer: true,
    });
    // The alternate buffer is entered by 1047 after a reset of the attributes: 1049 would overwrite the saved cursor,
    // and both fill the new buffer with the background colour in force.
    const alternate = whole.slice(normal.length).replace("\x1b[?1049h", "");
    content += `${normal}${bufferSequences(core.buffers.normal, size)}${RESET_ATTRIBUTES}\x1b[?1047h${alternate}`;
  } else {
    content += whole;
  }
  content += bufferSequences(core.buffer, size) + modeSequences(terminal);
  return {
    version: 1,
    offset: ground.toString(),
    ...size,
    title: options.title,
    content,
    isWrapPending: core.buffer.x >= terminal.cols,
    joinState: core._inputHandler._parser.precedingJoinState,
  };
};

/** Draws a saved screen into a terminal that has drawn nothing yet. Resolves when it is parsed. */
export const restoreScreen = (terminal: Terminal, saved: SavedScreen): Promise<void> =>
  new Promise((resolve) => {
    terminal.resize(saved.cols, saved.rows);
    terminal.write(saved.content, () => {
      const core = coreOf(terminal);
      if (saved.isWrapPending) core.buffer.x = terminal.cols;
      core._inputHandler._parser.precedingJoinState = saved.joinState;
      resolve();
    });
  });

const isSize = (n: unknown): n is number => Number.isInteger(n) && (n as number) >= 1 && (n as number) <= 1000;

/** Storage may hold anything: another version's state, another program's, a half-written one. */
export const parseSavedScreen = (text: string | null): SavedScreen | null => {
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as Partial<SavedScreen> | null;
    const isValid =
      value?.version === 1 &&
      /^\d{1,20}$/.test(String(value.offset)) &&
      isSize(value.cols) &&
      isSize(value.rows) &&
      typeof value.title === "string" &&
      typeof value.content === "string" &&
      typeof value.isWrapPending === "boolean" &&
      Number.isInteger(value.joinState);
    return isValid ? (value as SavedScreen) : null;
  } catch {
    return null;
  }
};
