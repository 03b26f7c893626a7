import type { TerminalEvent } from "@microterm/protocol";
import { printable, type ScreenFollower, type ScreenTerminal } from "@microterm/screen";

/** Of one piece of output; more than this is noise. */
const MAX_MARKS = 32;

interface BellingTerminal extends ScreenTerminal {
  onBell(listener: () => void): { dispose(): void };
}

/** Collects what a terminal's output tells besides what it draws. */
export interface EventWatch {
  /** What there was since the last call, each kind's latest; of prompt marks all, up to a bound. */
  take(): readonly TerminalEvent[];
}

export const watchEvents = (terminal: BellingTerminal, screen: ScreenFollower): EventWatch => {
  let title: string | null = null;
  let cwd = screen.cwd;
  let isRung = false;
  let marks: TerminalEvent[] = [];
  terminal.onTitleChange((text) => {
    title = printable(text, 256);
  });
  terminal.onBell(() => {
    isRung = true;
  });
  terminal.parser.registerOscHandler(133, (data) => {
    const [mark, exit] = data.split(";", 2);
    if (marks.length >= MAX_MARKS || (mark !== "A" && mark !== "B" && mark !== "C" && mark !== "D")) return false;
    const code = mark === "D" && /^-?\d{1,6}$/.test(exit ?? "") ? Number(exit) : null;
    marks.push(code === null ? { kind: "prompt", mark } : { kind: "prompt", mark, exit: code });
    return false;
  });
  return {
    take() {
      const events: TerminalEvent[] = marks;
      marks = [];
      if (title !== null) events.push({ kind: "title", title });
      if (screen.cwd !== null && screen.cwd !== cwd) events.push({ kind: "cwd", path: screen.cwd });
      if (isRung) events.push({ kind: "bell" });
      cwd = screen.cwd;
      title = null;
      isRung = false;
      return events;
    },
  };
};
