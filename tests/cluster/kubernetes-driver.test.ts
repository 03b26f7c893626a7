import { holderContract, networkContract, vmDriverContract } from "@microterm/core/testing";
import { afterAll } from "vitest";
import { type KubernetesHarness, startKubernetesHarness } from "../../support/cluster/kubernetes-harness.ts";

vmDriverContract("kubernetes", async () => startKubernetesHarness(), [
  ...[
    "a template is made of a sealed machine, and leaves nothing else of it",
    "machines of one template serve only once they have an identity, and differ",
    "a disk from a template is its own, with what the template's held",
    "a paused machine is gone, and goes on at the exact byte with its programs and the right clock",
    "what is not there cannot be restored or resumed, and nothing is left of the attempt",
    "a damaged template is reported as corrupt and removed, while its machines go on",
  ].map((test) => ({ test, reason: "the memory of pods cannot be saved: snapshots is null" })),
  {
    test: "what a running machine may use is changed while it works",
    reason: "what a pod may use is fixed: supportsLimits is false",
  },
]);

holderContract("kubernetes", async () => startKubernetesHarness());
let harness: KubernetesHarness | undefined;
afterAll(() => harness?.close());

networkContract("kubernetes", async () => {
  harness ??= startKubernetesHarness();
  return (await harness.makeDriver()).network;
}, [
  {
    test: "names are of machines that are attached and have an interface",
    reason:
      "pods are not attached, and a later server asks before it has set their policies: until then none has names",
  },
]);
