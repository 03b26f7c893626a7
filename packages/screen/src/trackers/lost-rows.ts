/** Knows whether rows of the normal screen's scrollback were dropped, because there is room for so many. */
import { coreOf, type Disposable, type ScreenTerminal } from "../xterm-internals.ts";

export interface LostRows {
  is: boolean;
  dispose(): void;
}

export const watchLostRows = (terminal: ScreenTerminal): LostRows => {
  const core = coreOf(terminal);
  const { _inputHandler: handler, buffers } = core;
  let lines: unknown = null;
  let hook: Disposable | null = null;
  const state: LostRows = {
    is: false,
    dispose() {
      hook?.dispose();
      activated.dispose();
    },
  };
  /** A reset makes new buffers, of which nothing is lost. */
  const follow = (): void => {
    if (buffers.normal.lines === lines) return;
    hook?.dispose();
    lines = buffers.normal.lines;
    state.is = false;
    hook = buffers.normal.lines.onTrim(() => {
      state.is = true;
    });
  };
  const activated = buffers.onBufferActivate(follow);
  follow();
  // ED 3: the program wants them gone.
  const erase = handler.eraseInDisplay.bind(handler);
  handler.eraseInDisplay = (params, respectProtect) => {
    const isDone = erase(params, respectProtect);
    if (params.params[0] === 3) state.is = false;
    return isDone;
  };
  return state;
};
