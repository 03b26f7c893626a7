import type { EnvironmentId, MachineId } from "@microterm/protocol";
import { actorOf, SYSTEM } from "../../access/actor.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";

/** Of a network's names: `NAME.NETWORK.internal`. ICANN keeps it out of the public DNS. */
const DOMAIN = "internal";

/**
 * The address of an environment in the shared network of another, or its own, under `NAME` or `NAME.NETWORK.internal`, in lower case.
 * Null for what is no member, or does not run: nobody learns more of other environments than that.
 */
export async function memberAddress(
  { rows, networks, network }: Pick<EnvironmentContext, "rows" | "networks" | "network">,
  { id, machineId }: { readonly id: EnvironmentId; readonly machineId: MachineId },
  name: string,
): Promise<string | null> {
  const [label = "", ...domain] = name.split(".");
  if (domain.length !== 0 && (domain.length !== 2 || domain[1] !== DOMAIN)) return null;
  // Of most guests, for each of their names: no row is read.
  if (network.memberAddress(machineId) === null) return null;
  const asking = await rows.get(id, SYSTEM);
  if (asking === null || asking.sharedNetwork === null) return null;
  // On behalf of its owner: it learns of nobody else's.
  const guest = actorOf({ id: asking.owner, role: "member" });
  const [networkName] = domain;
  if (networkName !== undefined) {
    const named = await networks.find(networkName, guest);
    if (named?.name !== networkName || named.id !== asking.sharedNetwork) return null;
  }
  const found = await rows.find(label, guest);
  if (found?.name !== label || found.sharedNetwork !== asking.sharedNetwork || found.machineId === null) return null;
  return network.memberAddress(found.machineId);
}
