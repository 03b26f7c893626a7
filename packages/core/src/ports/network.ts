import type { MachineId } from "@microterm/protocol";

/**
 * The network of a machine. Until networks come, the one adapter is `loopback`: a guest has no interface but its own
 * loopback, and the page says so.
 *
 *   `attachment`  what a machine gets before it boots, and gives back after it is gone
 */
export interface NetworkProvider {
  readonly name: string;
  readonly capabilities: NetworkCapabilities;
  /** Before boot. Rejects having released all it had taken. Safe to repeat for one machine: same answer. */
  attach(machineId: MachineId): Promise<NetworkAttachment>;
  /** After the machine is gone. Safe to repeat. */
  detach(machineId: MachineId): Promise<void>;
  /** Machine ids for which anything of this provider exists on the host now. */
  list(): Promise<readonly MachineId[]>;
}

export interface NetworkCapabilities {
  /** Guests reach the internet. When false the page and the API say `loopback`. */
  readonly supportsOutbound: boolean;
}

export interface NetworkAttachment {
  readonly machineId: MachineId;
  /** For a person: what the guest can reach. */
  readonly reach: "loopback";
}
