/**
 * What xterm.js 6.0 keeps but does not publish, read and set in this package alone. @xterm/xterm and @xterm/headless of
 * one version have the same fields. The version is pinned exactly, and the tests fail when a field moves.
 */

export interface Disposable {
  dispose(): void;
}

/** What both Terminal classes publish, as far as it is used here. */
export interface ScreenTerminal {
  readonly cols: number;
  readonly rows: number;
  readonly modes: {
    readonly applicationCursorKeysMode: boolean;
    readonly applicationKeypadMode: boolean;
    readonly bracketedPasteMode: boolean;
    readonly insertMode: boolean;
    readonly mouseTrackingMode: "none" | "x10" | "vt200" | "drag" | "any";
    readonly originMode: boolean;
    readonly reverseWraparoundMode: boolean;
    readonly sendFocusMode: boolean;
    readonly synchronizedOutputMode: boolean;
    readonly wraparoundMode: boolean;
  };
  readonly parser: {
    registerEscHandler(id: { readonly final: string }, callback: () => boolean): Disposable;
    registerOscHandler(code: number, callback: (data: string) => boolean): Disposable;
    registerCsiHandler(
      id: { readonly prefix?: string; readonly intermediates?: string; readonly final: string },
      callback: (params: (number | number[])[]) => boolean,
    ): Disposable;
  };
  readonly unicode: {
    register(provider: {
      readonly version: string;
      wcwidth(codePoint: number): 0 | 1 | 2;
      charProperties(codePoint: number, preceding: number): number;
    }): void;
    readonly versions: readonly string[];
    activeVersion: string;
  };
  onTitleChange(listener: (title: string) => void): Disposable;
  write(data: string | Uint8Array, callback?: () => void): void;
  resize(cols: number, rows: number): void;
}

/** xterm.js's ExtendedAttrs: underline style and colour, and the number of an OSC 8 link. */
export interface Extended {
  /** Style in bits 26 to 28, colour in bits 0 to 25, whether a link is open or not. */
  readonly _ext: number;
  ext: number;
  urlId: number;
  clone(): Extended;
}

export type CursorStyle = "block" | "underline" | "bar";

export interface Attributes {
  fg: number;
  bg: number;
  extended: Extended;
}

export type Charset = Readonly<Record<string, string>> | undefined;

/** An OSC 8 target. */
export interface LinkData {
  readonly id?: string | undefined;
  readonly uri: string;
}

interface LinkEntry {
  readonly id: number;
  readonly data: LinkData;
  readonly lines: readonly unknown[];
  readonly key?: string | undefined;
}

/** What `onColor` tells of OSC 4, 10, 11, 12 and their resets: indices to 255, then foreground, background and cursor; none: all 256. */
interface ColorRequest {
  /** 0 asks, 1 sets, 2 resets. */
  readonly type: 0 | 1 | 2;
  readonly index?: number;
  readonly color?: readonly [red: number, green: number, blue: number];
}

export interface Line {
  isWrapped: boolean;
  resize(cols: number, fill: unknown): boolean;
  readonly length: number;
  /** Three words a cell: content, foreground, background. */
  readonly _data: Uint32Array;
  readonly _combined: Record<number, string>;
  readonly _extendedAttrs: Record<number, Extended | undefined>;
}

export interface ScreenBuffer {
  /** 0 to the number of columns: there, the next character wraps. */
  x: number;
  y: number;
  readonly ybase: number;
  readonly scrollTop: number;
  readonly scrollBottom: number;
  savedX: number;
  /** In a guarded terminal a row of the screen. */
  savedY: number;
  /** xterm.js does without its `extended`. */
  readonly savedCurAttrData: Attributes;
  savedCharset: Charset;
  /** Beyond the right edge too. */
  readonly tabs: Record<number, boolean | undefined>;
  readonly lines: {
    readonly length: number;
    maxLength: number;
    get(index: number): Line | undefined;
    push(line: Line): void;
    onTrim(listener: (count: number) => void): Disposable;
  };
  getBlankLine(attributes: Attributes): Line;
  getNullCell(): unknown;
}

/** Of a CSI sequence; xterm.js's own, not a copy: what is changed in them holds for the handlers that follow. */
export interface Params {
  readonly params: Int32Array;
}

interface Core {
  readonly buffer: ScreenBuffer;
  readonly buffers: {
    readonly normal: ScreenBuffer;
    readonly alt: ScreenBuffer;
    resize(cols: number, rows: number): void;
    onBufferActivate(listener: () => void): Disposable;
  };
  readonly coreService: {
    triggerDataEvent(data: string): void;
    readonly isCursorHidden: boolean;
    readonly decPrivateModes: {
      cursorStyle?: CursorStyle | undefined;
      cursorBlink?: boolean | undefined;
      readonly wraparound: boolean;
    };
    readonly modes: { readonly insertMode: boolean };
  };
  readonly coreMouseService: { readonly activeEncoding: string };
  readonly unicodeService: { charProperties(codePoint: number, preceding: number): number };
  readonly optionsService: {
    readonly rawOptions: {
      readonly convertEol?: boolean;
      readonly screenReaderMode?: boolean;
      readonly cursorBlink?: boolean;
      readonly scrollback?: number;
    };
    readonly options: { cursorBlink?: boolean | undefined; scrollback?: number };
  };
  readonly _charsetService: { charset: Charset; readonly glevel: number; readonly _charsets: readonly Charset[] };
  readonly _oscLinkService: {
    _nextId: number;
    readonly _dataByLinkId: Map<number, LinkEntry>;
    readonly _entriesWithId: Map<string, LinkEntry>;
    registerLink(data: LinkData): number;
    addLineToLink(number: number, y: number): void;
    getLinkData(number: number): LinkData | undefined;
  };
  readonly _bufferService: {
    readonly buffers: { reset(): void };
    resize(cols: number, rows: number): void;
    readonly _onResize: {
      fire(change: {
        readonly cols: number;
        readonly rows: number;
        readonly colsChanged: boolean;
        readonly rowsChanged: boolean;
      }): void;
    };
  };
  readonly _writeBuffer: { write(data: string | Uint8Array, callback?: () => void): void };
  readonly _inputHandler: {
    /** Draws `data[start]` up to, without, `data[end]`: code points that are no control characters. */
    print(data: Uint32Array, start: number, end: number): void;
    parse(data: string | Uint8Array, promiseResult?: boolean): undefined | Promise<boolean>;
    saveCursor(params?: Params): boolean;
    restoreCursor(params?: Params): boolean;
    softReset(params: Params): boolean;
    onColor(listener: (requests: readonly ColorRequest[]) => void): Disposable;
    eraseInDisplay(params: Params, respectProtect?: boolean): boolean;
    _eraseInBufferLine(y: number, start: number, end: number, clearWrap: boolean, respectProtect: boolean): void;
    _resetBufferLine(y: number, respectProtect: boolean): void;
    _restrictCursor(maxCol: number): void;
    _eraseAttrData(): Attributes;
    readonly _onRequestRefreshRows: { fire(rows: { readonly start: number; readonly end: number }): void };
    readonly _dirtyRowTracker: { markDirty(y: number): void; markAllDirty(): void };
    readonly _curAttrData: Attributes;
    readonly _parser: {
      readonly currentState: number;
      precedingJoinState: number;
      registerCsiHandler(id: { readonly final: string }, callback: (params: Params) => boolean): Disposable;
      reset(): void;
    };
    readonly _utf8Decoder: { readonly interim: Uint8Array; clear(): void };
  };
}

export const coreOf = (terminal: object): Core => (terminal as { readonly _core: Core })._core;

/** Is the parser between two sequences, with no half of a UTF-8 character pending? */
export const isAtGround = (terminal: object): boolean => {
  const { _parser, _utf8Decoder } = coreOf(terminal)._inputHandler;
  return _parser.currentState === 0 && _utf8Decoder.interim.every((byte) => byte === 0);
};
