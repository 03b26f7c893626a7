import { type MachineId, PlatformError } from "@microterm/protocol";
import type { NetworkAttachment } from "../ports/network.ts";
import type { EnvironmentRow } from "../ports/repository.ts";
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

/**
 * What an environment's machine gets of the network. One that was made without an interface has none for life: what its memory and
 * its agent know cannot be changed. Rejects like {@link attachNetwork}, and where the network is gone that it was made with.
 */
export async function attachEnvironment(
  context: Pick<MachineContext, "network" | "drivers">,
  row: Pick<EnvironmentRow, "name" | "driver" | "network" | "sharedNetwork">,
  machineId: MachineId,
): Promise<NetworkAttachment> {
  if (row.network === null) return { machineId, reach: "loopback", link: null, interface: null };
  const attachment = await attachNetwork(context, context.drivers.of(row), machineId);
  if (attachment.reach !== "loopback") {
    if (row.sharedNetwork === null) return attachment;
    return { ...attachment, interface: await context.network.share(machineId, row.sharedNetwork) };
  }
  throw new PlatformError(
    "UNSUPPORTED",
    `'${row.name}' has a network interface, and this server has no networks now (./microterm doctor says why)`,
  );
}
