import type { Log } from "@microterm/core";
import { expect, it } from "vitest";
import { ClusterAddresses } from "./cluster-addresses.ts";

it("keeps excepting what it has seen while the cluster does not say", async () => {
  const state: { nodes: readonly string[] | null; endpoints: readonly string[] | null; server: string } = {
    ...{ nodes: ["192.0.2.2"], endpoints: ["192.0.2.1"], server: "https://198.51.100.7:6443" },
  };
  const warned: string[] = [];
  const log: Log = { info: () => {}, error: () => {}, warn: (words) => void warned.push(words) };
  const addresses = new ClusterAddresses(
    {
      nodeAddresses: async () => state.nodes,
      serverAddresses: async () => state.endpoints,
      get server() {
        return state.server;
      },
    },
    log,
  );
  const all = ["192.0.2.1", "192.0.2.2", "198.51.100.7"];
  expect(await addresses.look()).toEqual(all);
  // An IPv6 address is no IPv4 one, as a name that is not found.
  Object.assign(state, { nodes: null, endpoints: null, server: "https://name.invalid:6443" });
  expect(await addresses.look()).toEqual(all);
  expect(warned).toHaveLength(2);
  Object.assign(state, { nodes: ["192.0.2.3"], endpoints: [] });
  expect(await addresses.look()).toEqual(["192.0.2.3", "198.51.100.7"]);
});
