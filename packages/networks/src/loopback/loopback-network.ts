import type { NetworkProvider } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";

/**
 * No network: a guest has its own loopback interface and nothing else. Nothing exists on the host, so there is nothing to
 * give back.
 */
export function createLoopbackNetwork(): NetworkProvider {
  return {
    name: "loopback",
    capabilities: {
      supportsOutbound: false,
      policies: [],
      supportsDomainPolicy: false,
      supportsSharedNetworks: false,
      isEnforced: true,
    },
    attach: (machineId) => Promise.resolve({ machineId, reach: "loopback", link: null, interface: null }),
    detach: () => Promise.resolve({ namespaces: null, links: null, flows: null }),
    list: () => Promise.resolve([]),
    async setPolicy() {
      throw new PlatformError("UNSUPPORTED", "guests have their loopback interface alone here");
    },
    async share() {
      throw new PlatformError("UNSUPPORTED", "guests have their loopback interface alone here");
    },
    memberAddress: () => null,
    traffic: () => Promise.resolve({ traffic: null, connections: null }),
    denials: () => Promise.resolve([]),
  };
}
