/** What the command line calls things, all in one place: what the server tells comes as codes. */
import { type BootStep, type Environment, type Notice, plainText, type ShareRole } from "@microterm/protocol";

export const STEP_WORDS: Readonly<Record<BootStep, string>> = {
  claim: "taking a waiting machine",
  restore: "restoring the template",
  resume: "bringing its memory back",
  disk: "making the disk",
  machine: "starting the machine",
  kernel: "booting the kernel",
  agent: "waiting for the guest",
  terminal: "opening a terminal",
};

type StateFacts = Pick<Environment, "state" | "operation" | "step" | "reason" | "unresponsiveSince">;

/** `running`, `running: stop`, `running, not responding`, `creating: kernel (second attempt: …)`, `failed: the VMM died`. */
export function stateWords({ state, operation, step, reason, unresponsiveSince }: StateFacts): string {
  if (unresponsiveSince !== null) return `${state}, not responding`;
  const isSaid = operation === "pause" || operation === "stop";
  const doing = step ?? (isSaid ? operation : null);
  const why = reason === null ? null : plainText(reason).slice(0, 60);
  if (doing === null) return why === null ? state : `${state}: ${why}`;
  return `${state}: ${doing}${why === null ? "" : ` (${why})`}`;
}

/** `45 s`, `9 min`, `3 h`, `7 days`. */
export function durationWords(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** What is about to happen to an environment, or has just failed, and what to do about it. */
export function noticeWords(name: string, notice: Notice, now: number): string {
  switch (notice.code) {
    case "expiry": {
      const left = durationWords(Date.parse(notice.at) - now);
      return `${name} will be removed in ${left}, with its disk. Keep it: ./microterm update --ttl 8h ${name}`;
    }
    case "idle": {
      const what = notice.action === "pause" ? "paused" : "stopped";
      return `${name} will be ${what} in ${durationWords(Date.parse(notice.at) - now)} unless it is used.`;
    }
    case "hours": {
      const what = notice.action === "pause" ? "paused" : "stopped";
      const left = durationWords(Date.parse(notice.at) - now);
      return `${name} will be ${what} in ${left}: the hours of running of the day are used up. See: ./microterm quota`;
    }
    case "pause-failed":
      return `${name} was not paused: ${plainText(notice.detail)}`;
  }
}

/** What the server tells an attached terminal beside its output, by the codes of docs/reference/terminal-protocol.md. On one line. */
const TERMINAL_NOTICES: ReadonlyMap<string, string> = new Map([
  ["paused", "it is paused: what you type is lost until it is resumed"],
  ["read-only", "you only look on: what you type goes nowhere"],
  ["keyboard-given", "you may type here from now on"],
  ["keyboard-taken", "you only look on from now on: what you type goes nowhere"],
  ["input-lost", "what was typed last did not reach the terminal and is lost"],
  ["offset-unknown", "the screen from before was another terminal's; this is the terminal as it is now"],
  ["screen-cut", "output from before is gone; Ctrl+L redraws most programs"],
  ["screen-empty", "this terminal's screen is not kept any more; Ctrl+L redraws most programs"],
]);

/** What one may do at a terminal that is shared with one. */
export const sharedRoleWords = (role: ShareRole): string => (role === "viewer" ? "you look on" : "you may type");

/** `message`: the server's own words, for a code that this version does not know. */
export function terminalNoticeWords(code: string, message: string): string {
  return TERMINAL_NOTICES.get(code) ?? plainText(message);
}
