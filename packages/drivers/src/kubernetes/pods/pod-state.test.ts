import type { V1Pod, V1PodStatus } from "@kubernetes/client-node";
import { expect, it } from "vitest";
import { endedByNode, endOf, isRunning, whyNotRunning, whyStuck } from "./pod-state.ts";

const pod = (status: V1PodStatus, deletionTimestamp?: Date): V1Pod => ({
  metadata: { name: "mt-a", ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) },
  status,
});
const ended = (name: string, exitCode: number, reason: string) => ({
  ...{ name, image: "i", imageID: "", ready: false, restartCount: 0 },
  state: { terminated: { exitCode, reason } },
});
const waiting = (reason: string, message: string) => ({
  ...{ name: "environment", image: "i", imageID: "", ready: false, restartCount: 0 },
  state: { waiting: { reason, message } },
});
const NOW = new Date("2026-11-30T00:00:00Z");

it.each<[string, V1Pod, ReturnType<typeof endOf>]>([
  ["one that runs", pod({ phase: "Running", podIP: "10.0.0.1" }), null],
  ["a power-off", pod({ phase: "Succeeded" }), { kind: "powered-off", reason: "the guest powered off" }],
  ["a deletion", pod({ phase: "Succeeded" }, NOW), { kind: "died", reason: "its pod was deleted" }],
  [
    "a drain",
    pod(
      {
        phase: "Succeeded",
        conditions: [
          {
            type: "DisruptionTarget",
            status: "True",
            reason: "EvictionByEvictionAPI",
            message: "Eviction API: evicting",
          },
        ],
      },
      NOW,
    ),
    { kind: "died", reason: "its pod was deleted: EvictionByEvictionAPI: Eviction API: evicting" },
  ],
  [
    "memory that ran out",
    pod({ phase: "Failed", containerStatuses: [ended("environment", 137, "OOMKilled")] }),
    { kind: "died", reason: "the pod has failed: container environment: OOMKilled, exit code 137" },
  ],
  [
    "an eviction, with control characters in its words",
    pod({ phase: "Failed", reason: "Evicted", message: "low on\u001b[31m memory" }),
    { kind: "died", reason: expect.stringMatching(/^the pod has failed: Evicted: low on[^\u001b]*memory$/) },
  ],
])("tells the end of %s", (_what, state, end) => {
  expect(endOf(state)).toEqual(end);
});

it("knows an end that was the node's", () => {
  expect(endedByNode(pod({ phase: "Failed", reason: "Evicted" }))).toBe(true);
  expect(endedByNode(pod({ phase: "Failed" }))).toBe(false);
});

it("counts as running with an address alone", () => {
  expect(isRunning(pod({ phase: "Running" }))).toBe(false);
  expect(isRunning(pod({ phase: "Running", podIP: "10.0.0.1" }))).toBe(true);
});

it("gives up on an image that cannot be pulled, and waits for a node", () => {
  const image = pod({ phase: "Pending", containerStatuses: [waiting("ImagePullBackOff", "back-off pulling")] });
  expect(whyNotRunning(image)).toEqual({ reason: "ImagePullBackOff: back-off pulling", isHopeless: true });
  const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "Insufficient cpu" };
  const unplaced = pod({ phase: "Pending", conditions: [condition] });
  expect(whyNotRunning(unplaced)).toEqual({ reason: "Unschedulable: Insufficient cpu", isHopeless: false });
});

it("names the node that does not end a pod which was deleted, and why it was", () => {
  const message = "Taint manager: deleting due to NoExecute taint";
  const conditions = [{ type: "DisruptionTarget", status: "True", reason: "DeletionByTaintManager", message }];
  const stuck = { ...pod({ phase: "Running", conditions }, NOW), spec: { containers: [], nodeName: "node-7" } };
  expect(endOf(stuck)).toBeNull();
  expect(whyStuck(stuck)).toMatch(
    /^its pod was deleted: DeletionByTaintManager: .*, and its node 'node-7' does not end it/,
  );
});
