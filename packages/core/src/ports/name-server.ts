import type { Abortable } from "./abortable.ts";
import type { GuestAgent } from "./guest-agent.ts";
import type { NamePolicy } from "./network.ts";

/** Answers the names that guests ask for, each by its own policy. */
export interface NameServer {
  /** For one machine's guest, for as long as this process holds the machine. */
  open(policy: NamePolicy): GuestNames;
}

export interface GuestNames {
  /** Answers what the guest asks over one stream; resolves and rejects as `names` of the agent does. */
  serve(agent: GuestAgent, options: Abortable): Promise<void>;
  /** The name that was denied and answered with this address instead; null where there is none, or it is forgotten. */
  deniedName(address: string): string | null;
}
