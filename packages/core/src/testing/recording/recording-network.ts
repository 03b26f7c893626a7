import type { MachineId } from "@microterm/protocol";
import type { GuestInterface, NamePolicy, NetworkAttachment, NetworkProvider } from "../../ports/network.ts";

export interface RecordingNetwork extends NetworkProvider {
  /** What each machine was given, also after it gave it back. */
  readonly given: ReadonlyMap<MachineId, NetworkAttachment>;
}

/** A network that exists in memory alone: each machine gets a slot and an address of its own. Names where it is given a policy. */
export function createRecordingNetwork({
  policy = null,
}: {
  readonly policy?: NamePolicy | null;
} = {}): RecordingNetwork {
  const given = new Map<MachineId, NetworkAttachment>();
  const attached = new Set<MachineId>();
  return {
    given,
    name: "recording",
    capabilities: { supportsOutbound: true },
    async attach(machineId) {
      attached.add(machineId);
      const known = given.get(machineId);
      if (known !== undefined) return known;
      const { link, interface: eth0 } = numbered(given.size + 1);
      const attachment = { machineId, reach: "outbound", link, interface: eth0 } as const;
      given.set(machineId, attachment);
      return attachment;
    },
    async detach(machineId) {
      attached.delete(machineId);
    },
    list: async () => [...attached],
    names: (machineId) => (attached.has(machineId) ? policy : null),
  };
}

function numbered(number: number) {
  const macAddress = `02:00:00:00:00:${number.toString(16).padStart(2, "0")}`;
  const eth0: GuestInterface = {
    name: "eth0",
    macAddress,
    address: `10.0.0.${number}`,
    prefixLength: 24,
    gateway: "10.0.0.254",
    resolvers: ["169.254.53.53"],
    mtu: 1500,
    hosts: [],
  };
  return { link: { kind: "slot", slot: `slot-${number}`, macAddress }, interface: eth0 } as const;
}
