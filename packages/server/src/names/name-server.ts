import type { NameServer } from "@microterm/core";
import { GuestNames, type GuestNamesOptions } from "./guest-names.ts";

/** Answers the names that guests ask for, each by what its own policy allows. */
export function createNameServer(options: Omit<GuestNamesOptions, "policy">): NameServer {
  return {
    open(policy) {
      const guest = new GuestNames({ ...options, policy });
      return {
        serve: (agent, given) => agent.names(({ message, transport }) => guest.answer(message, transport), given),
        deniedName: (address) => guest.denied.nameOf(address),
      };
    },
  };
}
