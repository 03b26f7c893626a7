import { type MachineId, PlatformError } from "@microterm/protocol";
import type { NetworkAttachment } from "../ports/network.ts";
import type { VmDriver } from "../ports/vm-driver.ts";
import type { MachineContext } from "./machine-context.ts";

/**
 * What a machine of this driver gets of the network, before it starts. Rejects with `UNSUPPORTED` where the driver cannot
 * plug it in: a guest never runs with less than its network gives it. The caller detaches what it was not given as well.
 */
export async function attachNetwork(
  { network }: Pick<MachineContext, "network">,
  driver: VmDriver,
  machineId: MachineId,
): Promise<NetworkAttachment> {
  const attachment = await network.attach(machineId);
  const { link } = attachment;
  if (link === null || driver.capabilities.networkLinks.includes(link.kind)) return attachment;
  throw new PlatformError(
    "UNSUPPORTED",
    `the driver '${driver.name}' cannot be connected to the network '${network.name}'`,
  );
}
