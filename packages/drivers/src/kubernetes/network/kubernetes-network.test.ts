import type { Log } from "@microterm/core";
import { MachineId } from "@microterm/protocol";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { ClusterApi } from "../cluster/cluster-api.ts";
import type { Fence } from "../cluster/fence.ts";
import { KNOWN_MS } from "./cluster-addresses.ts";
import { createKubernetesNetwork } from "./kubernetes-network.ts";
import { ServerAddresses } from "./server-addresses.ts";

const [BROKEN, WHOLE] = [MachineId.parse("aaaaaaaaaaaaaaaa"), MachineId.parse("bbbbbbbbbbbbbbbb")];
const log: Log = { info: () => {}, error: () => {}, warn: () => {} };

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

it("has all other policies follow the cluster's addresses where one cannot", async () => {
  let nodes = ["192.0.2.2"];
  let isDeleted = false;
  const changed: string[] = [];
  const api: Partial<ClusterApi> = {
    server: "https://192.0.2.1:6443",
    nodeAddresses: async () => nodes,
    serverAddresses: async () => [],
  };
  const fence: Partial<Fence> = {
    changePolicy: async (machineId, spec) => {
      if (isDeleted && machineId === BROKEN) throw new Error("somebody has deleted it");
      changed.push(`${machineId} ${JSON.stringify(spec.egress).includes("192.0.2.3/32")}`);
    },
  };
  const network = createKubernetesNetwork({
    ...{
      api: api as ClusterApi,
      fence: fence as Fence,
      addresses: new ServerAddresses(null),
      log,
      allowPrivate: ["192.0.2.0/24"],
    },
    proof: { isEnforced: true, policyReason: "", isVm: false, isolationReason: "" },
  });
  await network.setPolicy(BROKEN, { mode: "open" });
  await network.setPolicy(WHOLE, { mode: "open" });
  nodes = ["192.0.2.3"];
  isDeleted = true;
  vi.advanceTimersByTime(KNOWN_MS);
  await expect.poll(() => changed).toContain(`${WHOLE} true`);
  network.close();
});
