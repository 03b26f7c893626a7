/**
 * Where the shell's prompts and commands begin and end, as it tells in the stream (OSC 133, "semantic prompts" as FinalTerm has them). Marks stand on xterm.js's own markers, so they move with the scrollback and go with it.
 */
import type { IDisposable, IMarker, Terminal } from "@xterm/xterm";

/** Prompts that can be jumped to: the last ones. */
const MAX_MARKS = 2000;

export interface ShellState {
  /** Does a program run? null where the shell does not say. */
  readonly isBusy: boolean | null;
}

/** A prompt's row, 0 the first of the screen, rows above it negative; and how its command ended, if it failed. */
export type PromptMark = readonly [row: number, failure: number];

export interface ShellIntegration extends IDisposable {
  /** Marks of the normal screen, to be kept with it. */
  marks(): readonly PromptMark[];
  /** Sets marks again after their screen was redrawn. */
  restore(marks: readonly PromptMark[]): void;
  /** Scrolls to the prompt before (-1) or after (1) the top of what is seen; past the last one to the end. */
  jump(direction: -1 | 1): void;
}

export const integrateShell = (
  terminal: Terminal,
  onChange: (change: Partial<ShellState>) => void,
): ShellIntegration => {
  let marks: IMarker[] = [];
  const failures = new Map<IMarker, number>();
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
  const fail = (marker: IMarker, status: number): void => {
    failures.set(marker, status);
    marker.onDispose(() => failures.delete(marker));
    terminal.registerDecoration({ marker, layer: "top" })?.onRender((element) => {
      element.classList.add("terminal-failure");
      // xterm.js makes it a cell wide.
      element.style.width = "3px";
      element.title = `Exited with code ${status}`;
    });
  };
  const ended = (status: string): void => {
    onChange({ isBusy: false });
    const hasFailed = /^[1-9]\d{0,2}$/.test(status);
    if (hasFailed && hasRun && prompt && !prompt.isDisposed) fail(prompt, Number(status));
    hasRun = false;
  };

  // Both answer false, so that other handlers of the sequence run too.
  const hooks = [
    // A full reset, with which every keyframe begins.
    terminal.parser.registerEscHandler({ final: "c" }, () => {
      for (const mark of marks) mark.dispose();
      marks = [];
      return false;
    }),
    terminal.parser.registerOscHandler(133, (data) => {
      const [kind, status = ""] = data.split(";", 2);
      if (kind === "A") began();
      else if (kind === "B") onChange({ isBusy: false });
      else if (kind === "C") {
        hasRun = true;
        onChange({ isBusy: true });
      } else if (kind === "D") ended(status);
      return false;
    }),
  ];
  return {
    marks() {
      const { type, baseY } = terminal.buffer.active;
      if (type !== "normal") return [];
      return marks
        .filter(({ isDisposed }) => !isDisposed)
        .map((marker) => [marker.line - baseY, failures.get(marker) ?? 0]);
    },
    restore(kept) {
      const { type, baseY, cursorY } = terminal.buffer.active;
      if (type !== "normal") return;
      for (const [row, failure] of kept) {
        // Fewer rows may have been kept than there were.
        if (baseY + row < 0 || row >= terminal.rows) continue;
        const marker = terminal.registerMarker(row - cursorY);
        marks.push(marker);
        if (failure > 0) fail(marker, failure);
      }
      prompt = marks.at(-1);
    },
    jump(direction) {
      const top = terminal.buffer.active.viewportY;
      const lines = marks.filter(({ isDisposed }) => !isDisposed).map(({ line }) => line);
      const target = direction < 0 ? lines.findLast((line) => line < top) : lines.find((line) => line > top);
      if (target !== undefined) terminal.scrollToLine(target);
      else if (direction > 0) terminal.scrollToBottom();
    },
    dispose() {
      for (const hook of hooks) hook.dispose();
    },
  };
};
