import type { Machine, MachineEnd } from "@microterm/core";
import { MachineId } from "@microterm/protocol";
import { expect, it } from "vitest";
import { kubectl } from "../../support/cluster/in-cluster.ts";
import { startKubernetesHarness } from "../../support/cluster/kubernetes-harness.ts";
import { whilePaused } from "../../support/cluster/programs.ts";

const machineId = MachineId.parse("lost000000000000");
const pod = `mt-${machineId}`;

it("says that a node does not end a pod which was deleted, whose guest answers nothing", async () => {
  const harness = startKubernetesHarness();
  const driver = await harness.makeDriver();
  const machine = await driver.boot({
    ...{ machineId, memoryMib: 256, cpus: 1, diskId: null, environmentId: "e", network: null, limits: null },
  });
  await machine.agent({ timeoutMs: 60_000 });
  await harness.signal(machineId, "SIGSTOP");
  await whilePaused("kubelet", async () => {
    await machine.examine();
    await kubectl("delete", "pod", pod, "--wait=false", "--grace-period=1");
    const end = await ended(machine);
    expect(end).toEqual({
      kind: "died",
      reason: expect.stringMatching(/^its pod was deleted, and its node 'node' does not end it: it is lost or hangs/),
    });
    // It may run there still: it is known until it has gone.
    expect(await driver.list()).toMatchObject([{ machineId, alive: false }]);
  });
  await driver.remove(machineId);
  expect(await driver.leftovers([machineId])).toEqual([]);
  await harness.close();
});

/** As core asks for a guest that is silent. */
async function ended(machine: Machine): Promise<MachineEnd> {
  let end: MachineEnd | null = null;
  void machine.ended.then((found) => {
    end = found;
  });
  await expect
    .poll(async () => {
      await machine.examine();
      return end;
    })
    .not.toBeNull();
  return machine.ended;
}
