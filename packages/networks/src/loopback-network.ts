import type { NetworkProvider } from "@microterm/core";

/** No network at all: a guest has its own loopback interface and no other, so there is nothing on the host to make. */
export function createLoopbackNetwork(): NetworkProvider {
  return {
    name: "loopback",
    capabilities: { supportsOutbound: false },
    attach: (machineId) => Promise.resolve({ machineId, reach: "loopback" }),
    detach: () => Promise.resolve(),
    list: () => Promise.resolve([]),
  };
}
