import { type Terminal, TerminalId } from "@microterm/protocol";
import type { Randomness } from "../ports/clock.ts";
import type { GuestAgent, GuestTerminal } from "../ports/guest-agent.ts";

/** The size of the terminal that is there before anybody looks; the first to type gives it theirs. */
const FIRST_TERMINAL = { cols: 80, rows: 24 };

/** The terminal that is there before anybody looks. */
export function openFirstTerminal(
  { random }: { readonly random: Randomness },
  agent: GuestAgent,
  signal: AbortSignal,
): Promise<GuestTerminal> {
  return agent.openTerminal({ id: TerminalId.parse(random.id(8)), ...FIRST_TERMINAL }, { signal });
}

/** The latest time a Date can hold (ECMA-262 21.4.1.1), ms: a guest's clock may say anything. */
const LAST_TIME_MS = 8.64e15;

export function toTerminal(reported: GuestTerminal): Terminal {
  const created = Math.min(Math.max(Math.trunc(reported.createdUnixMs) || 0, 0), LAST_TIME_MS);
  return {
    id: reported.id,
    cols: reported.cols,
    rows: reported.rows,
    startOffset: reported.startOffset.toString(),
    endOffset: reported.endOffset.toString(),
    createdAt: new Date(created).toISOString(),
    exit: reported.exit,
  };
}
