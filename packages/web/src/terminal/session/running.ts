/** What would end if an environment were stopped, as far as this page knows. */
import type { Environment } from "@microterm/protocol";
import { client } from "../../api/queries.ts";

export type Running = "nothing" | "program" | "recording" | "unknown";

/** Of a terminal: true while a program runs in its shell; null where the shell does not tell. */
type Busy = () => boolean | null;
const known = new Map<string, Map<string, Busy>>();

/** A terminal that this page follows. Returns what ends that. */
export const followBusy = (environment: string, terminal: string, isBusy: Busy): (() => void) => {
  const terminals = known.get(environment) ?? new Map<string, Busy>();
  known.set(environment, terminals.set(terminal, isBusy));
  return () => {
    if (terminals.get(terminal) === isBusy) terminals.delete(terminal);
  };
};

export const whatRuns = async ({ id, terminals }: Pick<Environment, "id" | "terminals">): Promise<Running> => {
  const live = terminals.filter(({ exit }) => exit === null);
  const busy = live.map((terminal) => known.get(id)?.get(terminal.id)?.() ?? null);
  if (busy.includes(true)) return "program";
  try {
    const recordings = await Promise.all(live.map((terminal) => client.recordings.get(id, terminal.id)));
    if (recordings.some(({ enabled }) => enabled)) return "recording";
  } catch {
    return "unknown";
  }
  return busy.includes(null) ? "unknown" : "nothing";
};
