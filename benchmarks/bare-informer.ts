/** `bare-informer.ts IDENTITY`: prints how many MB a process that follows an installation's pods, and does nothing else, has for them. */
import { openIdentity } from "@microterm/host";
import { startKubernetesHarness } from "../support/cluster/kubernetes-harness.ts";
import { processFigures } from "./figures.ts";

function residentMb(): number {
  globalThis.gc?.();
  return processFigures(process.pid).residentMb;
}

const harness = startKubernetesHarness();
// The library itself is there afterwards: this one finds no pods.
await harness.makeDriver();
const before = residentMb();
await harness.makeDriver({ identity: openIdentity(process.argv[2] ?? "") });
await new Promise((resolve) => setTimeout(resolve, 3_000));
console.log((residentMb() - before).toFixed(1));
await harness.close();
