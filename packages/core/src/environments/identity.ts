import type { Clock, Randomness } from "../ports/clock.ts";
import type { GuestIdentity } from "../ports/guest-agent.ts";
import type { EnvironmentRow } from "../ports/repository.ts";

/** What a guest is told to be, once for each boot, before anything of its owner's runs. */
export function bootIdentity(
  { clock, random }: { readonly clock: Clock; readonly random: Randomness },
  row: Pick<EnvironmentRow, "id" | "name">,
): GuestIdentity {
  return {
    hostname: "microterm",
    machineId: guestMachineId(row.id),
    timeUnixMs: clock.now(),
    seed: random.bytes(64),
    environment: row.name,
  };
}

/**
 * machine-id(5) of an environment's guest: the id's 12 characters as bytes, then four of zero.
 *
 * It follows from the environment, not from the machine, because its disk survives machines: what a guest keys by its
 * machine-id (journals, leases, licences) is still its own after a stop and a start. A fork is another environment and
 * so has another one. Randomness never depends on it.
 */
export function guestMachineId(id: string): string {
  const hex = [...id].map((character) => character.charCodeAt(0).toString(16).padStart(2, "0")).join("");
  return hex.padEnd(32, "0").slice(0, 32);
}
