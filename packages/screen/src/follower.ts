/** Follows what a terminal has parsed, and takes and draws its screen. */
import { captureScreen } from "./capture/capture.ts";
import { piecesOf, RESET, setRegisters } from "./restore.ts";
import { MAX_PATH, MAX_TITLE, type Screen } from "./screen.ts";
import { pathOf, printable } from "./texts.ts";
import { watchLostRows } from "./trackers/lost-rows.ts";
import { trackPalette } from "./trackers/palette-tracker.ts";
import { trackTail } from "./trackers/tail-tracker.ts";
import { guardTerminal } from "./upstream/index.ts";
import { linkTableOf } from "./upstream/links.ts";
import { createUtf8Aligner } from "./utf8-aligner.ts";
import { followWidthMode } from "./widths/width-mode.ts";
import { coreOf, type ScreenTerminal } from "./xterm-internals.ts";

/** The longest content, bytes: with the JSON beside it, it stays within the 8 MiB of a KEYFRAME. */
export const MAX_SCREEN = 6 * 1024 * 1024;

export interface ScreenFollower {
  /**
   * Draws output. All of it has to go through here: it is cut between characters, and an unfinished one waits for the next write. `parsed`
   * is called when all before it is drawn, but for an unfinished sequence or character.
   */
  write(bytes: Uint8Array, parsed?: () => void): void;
  /** As `write`, at once. For a terminal on which nothing else is under way. */
  writeNow(bytes: Uint8Array): void;
  /** Bytes are missing from here on. What is drawn stays; an unfinished sequence ends. */
  skip(): void;
  /** The screen with all bytes written so far; those of an unfinished sequence are its last. Only while all are parsed. */
  capture(options: {
    readonly scrollback: number;
    readonly limitBytes?: number;
    /** Title and working directory. True when absent. */
    readonly withTexts?: boolean;
  }): Screen;
  /** Replaces whatever is drawn. Resolves when the screen stands; output may be written at once. */
  restore(screen: Screen): Promise<void>;
  /** As `restore`, at once. */
  restoreNow(screen: Screen): void;
  /** Clears everything: a new terminal. */
  reset(): void;
  /** Without control characters. */
  readonly title: string;
  readonly cwd: string | null;
  /** Rows above the screen were dropped, because the terminal keeps so many. */
  readonly hasLostRows: boolean;
  dispose(): void;
}

export const followScreen = (terminal: ScreenTerminal): ScreenFollower => {
  guardTerminal(terminal);
  const palette = trackPalette(terminal);
  const links = linkTableOf(terminal);
  /** What the terminal was made with, where DECSET 12 leaves its own. */
  const ownBlink = coreOf(terminal).optionsService.rawOptions.cursorBlink;
  const aligner = createUtf8Aligner();
  const tail = trackTail(terminal);
  const lost = watchLostRows(terminal);
  const widths = followWidthMode(terminal);
  let title = "";
  let cwd: string | null = null;
  let isBlinking: boolean | null = null;
  const blink = (isOn: boolean) => (params: (number | number[])[]) => {
    if (params.includes(12)) isBlinking = isOn;
    return false;
  };
  // Hooks answer false, so that xterm.js handles the sequence too.
  const hooks = [
    terminal.onTitleChange((text) => {
      title = printable(text, MAX_TITLE);
    }),
    terminal.parser.registerOscHandler(7, (data) => {
      cwd = pathOf(data, MAX_PATH) ?? cwd;
      return false;
    }),
    terminal.parser.registerCsiHandler({ prefix: "?", final: "h" }, blink(true)),
    terminal.parser.registerCsiHandler({ prefix: "?", final: "l" }, blink(false)),
  ];
  const now = (bytes: Uint8Array | string): void => {
    const { _core } = terminal as unknown as { readonly _core: { writeSync(data: Uint8Array | string): void } };
    _core.writeSync(bytes);
  };
  const forget = (): void => {
    tail.reset();
    coreOf(terminal).optionsService.options.cursorBlink = ownBlink;
    title = "";
    cwd = null;
    isBlinking = null;
  };
  const begin = ({ cols, rows, state }: Screen): void => {
    forget();
    widths.isGraphemes = state.isGraphemes;
    if (state.version > 1) {
      coreOf(terminal).optionsService.options.scrollback = state.scrollback;
      links.beginRestore();
    }
    terminal.resize(cols, rows);
  };
  /** `held`: bytes of an unfinished character at the end of the screen, which are not written. */
  const settle = (screen: Screen, held: number): void => {
    links.endRestore();
    setRegisters(terminal, screen);
    if (screen.state.version === 1) widths.isGraphemes = false;
    lost.is = screen.state.hasLostRows;
    title = screen.state.title;
    cwd = screen.state.cwd;
    isBlinking = screen.state.isBlinking;
    const { content, state } = screen;
    tail.reset();
    const end = content.length - held;
    if (state.tailBytes > 0) tail.parsed(content.subarray(content.length - state.tailBytes, end));
  };

  const follower: ScreenFollower = {
    get title() {
      return title;
    },
    get cwd() {
      return cwd;
    },
    get hasLostRows() {
      return lost.is;
    },
    write(bytes, parsed) {
      const aligned = aligner.push(bytes);
      terminal.write(aligned, () => {
        tail.parsed(aligned);
        parsed?.();
      });
    },
    writeNow(bytes) {
      const aligned = aligner.push(bytes);
      if (aligned.length === 0) return;
      now(aligned);
      tail.parsed(aligned);
    },
    skip() {
      aligner.reset();
      terminal.write("\x18", () => tail.reset());
    },
    capture({ scrollback, limitBytes = MAX_SCREEN, withTexts = true }) {
      const { held } = aligner;
      const sequence = tail.tail;
      const rest = new Uint8Array(sequence.length + held.length);
      rest.set(sequence);
      rest.set(held, sequence.length);
      const sequences = palette.sequences();
      return captureScreen({
        terminal,
        title: withTexts ? title : "",
        cwd: withTexts ? cwd : null,
        palette: sequences,
        isBlinking,
        hasLostRows: lost.is,
        isGraphemes: widths.isGraphemes,
        tail: rest,
        scrollback,
        limitBytes,
      });
    },
    restore(screen) {
      return new Promise((resolve) => {
        aligner.reset();
        terminal.write(RESET, () => begin(screen));
        for (const piece of piecesOf(aligner.push(screen.content))) terminal.write(piece);
        // What is written next may complete the character before the screen stands.
        const held = aligner.held.length;
        terminal.write("", () => {
          settle(screen, held);
          resolve();
        });
      });
    },
    restoreNow(screen) {
      aligner.reset();
      now(RESET);
      begin(screen);
      for (const piece of piecesOf(aligner.push(screen.content))) now(piece);
      settle(screen, aligner.held.length);
    },
    reset() {
      aligner.reset();
      terminal.write(RESET, forget);
    },
    dispose() {
      for (const hook of hooks) hook.dispose();
      palette.dispose();
      lost.dispose();
      widths.dispose();
    },
  };
  return follower;
};
