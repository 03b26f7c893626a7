import type { NetworkProvider } from "@microterm/core";

/**
 * No network: a guest has its own loopback interface and nothing else. Nothing exists on the host, so there is nothing to
 * give back.
 */
export function createLoopbackNetwork(): NetworkProvider {
  return {
    name: "loopback",
    capabilities: { supportsOutbound: false },
    attach: (machineId) => Promise.resolve({ machineId, reach: "loopback", link: null, interface: null }),
    detach: () => Promise.resolve(),
    list: () => Promise.resolve([]),
  };
}
