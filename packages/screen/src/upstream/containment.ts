/**
 * Whatever xterm.js throws while it parses costs the rest of that one write; what it throws at a new size, what was drawn before it.
 *
 * xterm.js 6.0 lets an exception of a sequence's handler, or of a write's callback, pass through its WriteBuffer, whose loop neither
 * schedules itself again nor forgets the write: from then on it takes writes and parses none.
 */
import { coreOf, type ScreenTerminal } from "../xterm-internals.ts";

/** What was thrown, after the terminal can be used again. */
export type OnFault = (error: unknown) => void;

/** Without anybody to tell: as an error of its own turn, which the program's last resort sees. */
const throwLater: OnFault = (error) =>
  queueMicrotask(() => {
    throw error;
  });

/** The parser between two sequences, and a cursor and rows with which any sequence can go on. */
const recover = (terminal: ScreenTerminal): void => {
  const { buffer, _inputHandler: handler } = coreOf(terminal);
  handler._parser.reset();
  handler._utf8Decoder.clear();
  buffer.x = clamp(buffer.x, terminal.cols);
  buffer.y = clamp(buffer.y, terminal.rows - 1);
  while (buffer.lines.length < buffer.ybase + terminal.rows) {
    buffer.lines.push(buffer.getBlankLine(handler._eraseAttrData()));
  }
  handler._dirtyRowTracker.markAllDirty();
  handler._onRequestRefreshRows.fire({ start: 0, end: terminal.rows - 1 });
};

const clamp = (value: number, most: number): number => Math.min(Math.max(value | 0, 0), most);

export const containFaults = (terminal: ScreenTerminal, onFault: OnFault = throwLater): void => {
  const { _inputHandler: handler, _writeBuffer: writes, _bufferService: service } = coreOf(terminal);
  const tell: OnFault = (error) => {
    try {
      onFault(error);
    } catch (second) {
      throwLater(second);
    }
  };
  const parse = handler.parse.bind(handler);
  handler.parse = (data, promiseResult) => {
    try {
      return parse(data, promiseResult);
    } catch (error) {
      recover(terminal);
      tell(error);
      return undefined;
    }
  };
  const write = writes.write.bind(writes);
  writes.write = (data, callback) => {
    if (callback === undefined) return write(data);
    write(data, () => {
      try {
        callback();
      } catch (error) {
        tell(error);
      }
    });
  };
  const resize = service.resize.bind(service);
  service.resize = (cols, rows) => {
    try {
      resize(cols, rows);
    } catch (error) {
      // Half of the rows may be of one size and half of the other: none of them can be kept.
      service.buffers.reset();
      service._onResize.fire({ cols, rows, colsChanged: true, rowsChanged: true });
      tell(error);
    }
  };
};
