/**
 * Where the shell's prompts and commands begin and end, as it tells in the stream (OSC 133, "semantic prompts" as FinalTerm has them). Marks stand on xterm.js's own markers, so they move with the scrollback and go with it.
 */
import type { IDecoration, IDisposable, IMarker, Terminal } from "@xterm/xterm";

/** Prompts that can be jumped to: the last ones. */
const MAX_MARKS = 2000;

export interface ShellState {
  /** Does a program run? null where the shell does not say. */
  readonly isBusy: boolean | null;
}

export interface ShellIntegration extends IDisposable {
  /** Scrolls to the prompt before (-1) or after (1) the top of what is seen; past the last one to the end. */
  jump(direction: -1 | 1): void;
}

export const integrateShell = (
  terminal: Terminal,
  onChange: (change: Partial<ShellState>) => void,
): ShellIntegration => {
  let marks: IMarker[] = [];
  let prompt: IMarker | undefined;
  let hasRun = false;

  const began = (): void => {
    onChange({ isBusy: false });
    hasRun = false;
    // A full-screen program's lines are not the shell's.
    if (terminal.buffer.active.type !== "normal") return;
    prompt = terminal.registerMarker(0);
    const isSameLine = marks.at(-1)?.line === prompt.line;
    if (isSameLine) marks.pop()?.dispose();
    marks = [...marks.filter(({ isDisposed }) => !isDisposed).slice(1 - MAX_MARKS), prompt];
  };
  const showFailure = (decoration: IDecoration | undefined, status: string): void => {
    decoration?.onRender((element) => {
      element.classList.add("terminal-failure");
      // xterm.js makes it a cell wide.
      element.style.width = "3px";
      element.title = `Exited with code ${status}`;
    });
  };
  const ended = (status: string): void => {
    onChange({ isBusy: false });
    const hasFailed = /^[1-9]\d{0,2}$/.test(status);
    if (hasFailed && hasRun && prompt && !prompt.isDisposed)
      showFailure(terminal.registerDecoration({ marker: prompt, layer: "top" }), status);
    hasRun = false;
  };

  // It answers false: whoever else listens hears it too.
  const hook = terminal.parser.registerOscHandler(133, (data) => {
    const [kind, status = ""] = data.split(";", 2);
    if (kind === "A") began();
    else if (kind === "B") onChange({ isBusy: false });
    else if (kind === "C") {
      hasRun = true;
      onChange({ isBusy: true });
    } else if (kind === "D") ended(status);
    return false;
  });
  return {
    jump(direction) {
      const top = terminal.buffer.active.viewportY;
      const lines = marks.filter(({ isDisposed }) => !isDisposed).map(({ line }) => line);
      const target = direction < 0 ? lines.findLast((line) => line < top) : lines.find((line) => line > top);
      if (target !== undefined) terminal.scrollToLine(target);
      else if (direction > 0) terminal.scrollToBottom();
    },
    dispose() {
      hook.dispose();
    },
  };
};
