import { SharedNetwork } from "@microterm/protocol";
import { z } from "zod";
import type { Transport } from "../transport.ts";

const Networks = z.strictObject({ networks: z.array(SharedNetwork) });

/** Networks that environments share. */
export interface Networks {
  create(name: string): Promise<SharedNetwork>;
  list(): Promise<SharedNetwork[]>;
  /** By name or id; only while it has no members. */
  remove(network: string): Promise<void>;
}

export function createNetworks(transport: Transport): Networks {
  return {
    create: (name) => transport.json(SharedNetwork, "/v1/networks", { method: "POST", json: { name } }),
    list: async () => (await transport.json(Networks, "/v1/networks")).networks,
    remove: (network) => transport.done(`/v1/networks/${encodeURIComponent(network)}`, { method: "DELETE" }),
  };
}
