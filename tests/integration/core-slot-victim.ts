/**
 * A server process over slots of a real daemon: `core-slot-victim.ts FOLDER SOCKET POINT` makes an environment, changes its policy,
 * has it join and leave a shared network and destroys it, and kills itself with -9 at the fault point, or while the daemon changes
 * a policy (`policy`) or a membership (`join`, `leave`).
 */

import type { NetworkProvider } from "@microterm/core";
import { createRecordingDriver } from "@microterm/core/testing";
import { createHostDaemonClient } from "@microterm/host";
import { createSlotNetwork } from "@microterm/networks";
import { ANN, openServer } from "./core-server.ts";

const [folder = "", socketPath = "", point = ""] = process.argv.slice(2);
const die = () => process.kill(process.pid, "SIGKILL");

const daemon = createHostDaemonClient({ socketPath });
const slots = createSlotNetwork({ daemon });
const network: NetworkProvider = {
  ...slots,
  async setPolicy(machineId, policy) {
    const isAsked = slots.setPolicy(machineId, policy);
    // The daemon has the request, and nobody waits for its answer.
    if (point === "policy" && policy.mode === "open") setImmediate(die);
    await isAsked;
  },
  async share(machineId, shared) {
    const isAsked = slots.share(machineId, shared);
    if (point === (shared === null ? "leave" : "join")) setImmediate(die);
    return isAsked;
  },
};

const { service } = await openServer(
  { folder, agentBinary: "" },
  {
    network,
    registry: () => ({ default: createRecordingDriver({ networkLinks: ["slot"] }) }),
    faults: { hit: (reached) => void (reached === point && die()) },
  },
);
await service.recover();
const { id } = await service.create(ANN, { name: "victim", memoryMib: 300, network: { mode: "none" } });
await service.wait(ANN, id, { states: ["running"], timeoutMs: 60_000 });
await service.update(ANN, id, { network: { mode: "open" } });
await service.createNetwork(ANN, { name: "team" });
await service.joinNetwork(ANN, id, "team");
await service.leaveNetwork(ANN, id);
await service.joinNetwork(ANN, id, "team");
await service.destroy(ANN, id);
console.log(`the end was reached without '${point}'`);
process.exit(1);
