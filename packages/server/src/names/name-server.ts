import type { NameServer } from "@microterm/core";
import { GuestNames } from "./guest-names.ts";
import type { Upstream } from "./upstream.ts";

/** Answers the names that guests ask for, each by what its own policy allows. */
export function createNameServer(options: { readonly upstream: Upstream; readonly now: () => number }): NameServer {
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
