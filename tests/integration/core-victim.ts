/**
 * A server process for the tests of recovery: `core-victim.ts FOLDER AGENT POINT SCENARIO` does the scenario and kills
 * itself with -9 at the fault point. When it comes to the scenario's end instead, it says so and exits with 1.
 */

import { join } from "node:path";
import type { Faults } from "@microterm/core";
import { findMarked } from "@microterm/host";
import { ANN, openServer } from "./core-server.ts";

const [folder = "", agentBinary = "", point = "", scenario = ""] = process.argv.slice(2);

const faults: Faults = {
  hit(reached) {
    if (reached === point) process.kill(process.pid, "SIGKILL");
  },
};

const { service, storage } = await openServer({ folder, agentBinary }, { faults });
const patient = { timeoutMs: 90_000 } as const;

async function created(): Promise<string> {
  const { id } = await service.create(ANN, { name: "victim", memoryMib: 128 });
  await service.wait(ANN, id, { states: ["running"], ...patient });
  return id;
}

async function killAgent(): Promise<void> {
  const row = await storage.environments.find("victim", ANN);
  const socket = join(folder, "machines", row?.machineId ?? "", "agent.sock");
  const agent = await findMarked(`MICROTERM_MACHINE=${row?.machineId}`, `unix:${socket}`);
  if (agent === null) throw new Error("no agent runs");
  process.kill(agent.pid, "SIGKILL");
}

await service.recover();
if (scenario === "recover") {
  await service.wait(ANN, "victim", { states: ["running", "failed", "stopped", "gone"], ...patient });
} else {
  const id = await created();
  if (scenario === "stop" || scenario === "start") {
    await service.stop(ANN, id);
    await service.wait(ANN, id, { states: ["stopped"], ...patient });
  }
  if (scenario === "start") {
    await service.start(ANN, id);
    await service.wait(ANN, id, { states: ["running"], ...patient });
  }
  if (scenario === "ended") {
    await killAgent();
    await service.wait(ANN, id, { states: ["failed"], ...patient });
  }
  if (scenario === "destroy") await service.destroy(ANN, id);
}
// The last fault points come just after what was waited for.
await service.close();
console.log(`the scenario '${scenario}' ended without '${point}'`);
process.exit(1);
