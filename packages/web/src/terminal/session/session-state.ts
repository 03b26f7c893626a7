import type { Presence } from "@microterm/protocol";
import type { Exit } from "@microterm/sdk";
import type { Size } from "../emulator/letterbox.ts";

/** What the page shows around a terminal. */
export interface SessionState {
  readonly phase: "opening" | "live" | "reconnecting" | "signed-out" | "exited" | "ended";
  /** When the next attempt to reconnect starts (performance.now()); null while one is under way. */
  readonly retryAt: number | null;
  readonly exit: Exit | null;
  /** Why it ended for good. */
  readonly endReason: string | null;
  readonly latencyMs: number | null;
  /** The terminal's size, and how much room this page has: they differ while another window sizes it. */
  readonly size: Size | null;
  readonly room: Size | null;
  readonly title: string;
  /** The shell's folder, empty where it does not say. */
  readonly cwd: string;
  /** Does a program run in it? null where the shell does not say. */
  readonly isBusy: boolean | null;
  /** The bell rang while the tab was hidden. */
  readonly hasRung: boolean;
  /** The oldest row is looked at, and is not where the output began: so many rows are kept above the screen. */
  readonly keptRows: number | null;
  readonly notice: string | null;
  /** Who is at it; null while that is not known. */
  readonly presence: Presence | null;
  /** Somebody looks on: what they type goes nowhere. */
  readonly isViewer: boolean;
  readonly hoveredLink: string | null;
  readonly pendingPaste: string | null;
  /** What a program wants to copy, before the user has decided. */
  readonly pendingCopy: string | null;
  /** A program takes the mouse, so selecting needs Shift. */
  readonly isMouseTaken: boolean;
}

export const INITIAL_STATE: SessionState = {
  phase: "opening",
  retryAt: null,
  exit: null,
  endReason: null,
  latencyMs: null,
  size: null,
  room: null,
  title: "",
  cwd: "",
  isBusy: null,
  hasRung: false,
  keptRows: null,
  notice: null,
  presence: null,
  isViewer: false,
  hoveredLink: null,
  pendingPaste: null,
  pendingCopy: null,
  isMouseTaken: false,
};

/** Another window has set the terminal's size: it does not fill this one. */
export const isForeign = ({ phase, size, room }: Pick<SessionState, "phase" | "size" | "room">): boolean =>
  phase !== "opening" && size !== null && room !== null && (size.cols !== room.cols || size.rows !== room.rows);
