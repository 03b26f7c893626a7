import type { Clock, Randomness } from "../ports/clock.ts";
import type { GuestIdentity, GuestNetwork, GuestWake } from "../ports/guest-agent.ts";

/** What a guest is told to be, once for each boot, before anything of its owner's runs. */
export function bootIdentity(
  { clock, random }: { readonly clock: Clock; readonly random: Randomness },
  { diskId, name, network }: { readonly diskId: string; readonly name: string; readonly network: GuestNetwork },
): GuestIdentity {
  return {
    // A template's machine has no name yet.
    hostname: name === "" ? "microterm" : name,
    machineId: guestMachineId(diskId),
    timeUnixMs: clock.now(),
    seed: random.bytes(64),
    environment: name,
    interface: network.interface,
  };
}

/** What a guest is told after a pause, however long it was. */
export function wakeOf(
  { clock, random }: { readonly clock: Clock; readonly random: Randomness },
  network: GuestNetwork,
): GuestWake {
  return { timeUnixMs: clock.now(), seed: random.bytes(64), interface: network.interface };
}

/**
 * machine-id(5) of a guest: the 12 or 16 characters of its disk's id as bytes, then zeros.
 *
 * It follows from the disk, not from the machine, because the disk survives machines: what a guest keys by its
 * machine-id (journals, leases, licences) is still its own after a stop and a start. A fork has another disk and
 * so another one. Randomness never depends on it.
 */
export function guestMachineId(id: string): string {
  const hex = [...id].map((character) => character.charCodeAt(0).toString(16).padStart(2, "0")).join("");
  return hex.padEnd(32, "0").slice(0, 32);
}
