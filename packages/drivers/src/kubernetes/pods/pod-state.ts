import type { V1ContainerStatus, V1Pod } from "@kubernetes/client-node";
import type { MachineEnd } from "@microterm/core";
import { plainText } from "@microterm/protocol";

const words = (text: string): string => plainText(text, { layout: "line", max: 300 });

/** Reasons of a container that does not start and never will, for as long as nobody changes the cluster. */
const HOPELESS = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "InvalidImageName",
  "ErrImageNeverPull",
  "CreateContainerConfigError",
]);
/** The pod ended because its node did, or was emptied. */
const BY_NODE = new Set([
  "Evicted",
  "NodeLost",
  "NodeShutdown",
  "Terminated",
  "NodeAffinity",
  "Shutdown",
  "UnexpectedAdmissionError",
]);

const containersOf = ({ status }: V1Pod): readonly V1ContainerStatus[] => [
  ...(status?.initContainerStatuses ?? []),
  ...(status?.containerStatuses ?? []),
];

export const isRunning = ({ status }: V1Pod): boolean => status?.phase === "Running" && status.podIP !== undefined;

/** It was deleted, and has not gone yet. */
export const isLeaving = ({ metadata }: V1Pod): boolean => metadata?.deletionTimestamp !== undefined;

/** How it has ended; null while it has not. */
export function endOf(pod: V1Pod): MachineEnd | null {
  switch (pod.status?.phase) {
    case "Succeeded":
      // An agent that is told to end by its node does so in order.
      return isLeaving(pod)
        ? { kind: "died", reason: whyDeleted(pod) }
        : { kind: "powered-off", reason: "the guest powered off" };
    case "Failed":
      return { kind: "died", reason: `the pod has failed: ${whyFailed(pod)}` };
    default:
      return null;
  }
}

/** Whether its node, not the machine, was why it ended. */
export function endedByNode({ status }: V1Pod): boolean {
  const { reason: code = "" } = status ?? {};
  return BY_NODE.has(code);
}

/** A drain, a preemption, a node that is lost: the cluster writes down which. */
function whyDeleted({ status }: V1Pod): string {
  const disruption = status?.conditions?.find(({ type, status: is }) => type === "DisruptionTarget" && is === "True");
  if (disruption === undefined) return "its pod was deleted";
  return words(`its pod was deleted: ${disruption.reason ?? ""}: ${disruption.message ?? ""}`);
}

/** Of one that was deleted, and is there still when it should have gone. */
export function whyStuck(pod: V1Pod): string {
  const node = pod.spec?.nodeName ?? "";
  return words(
    `${whyDeleted(pod)}, and its node '${node}' does not end it: it is lost or hangs (kubectl describe node ${node})`,
  );
}

function whyFailed(pod: V1Pod): string {
  const { reason, message } = pod.status ?? {};
  if (reason !== undefined) return words(message === undefined ? reason : `${reason}: ${message}`);
  for (const { name, state } of containersOf(pod)) {
    const ended = state?.terminated;
    if (ended === undefined || ended.exitCode === 0) continue;
    const said = ended.message === undefined ? "" : `: ${ended.message}`;
    return words(`container ${name}: ${ended.reason ?? "ended"}, exit code ${ended.exitCode}${said}`);
  }
  return "the cluster does not say why";
}

/** Why it does not run yet; `isHopeless` when waiting changes nothing. */
export function whyNotRunning(pod: V1Pod): { readonly reason: string; readonly isHopeless: boolean } {
  for (const { state } of containersOf(pod)) {
    const { reason: code = "", message = "" } = state?.waiting ?? {};
    if (HOPELESS.has(code)) return { reason: words(`${code}: ${message}`), isHopeless: true };
  }
  const unmet = pod.status?.conditions?.find(({ type, status }) => type === "PodScheduled" && status === "False");
  if (unmet !== undefined)
    return { reason: words(`${unmet.reason ?? "Pending"}: ${unmet.message ?? ""}`), isHopeless: false };
  return { reason: `the pod is ${words(pod.status?.phase ?? "Pending")}`, isHopeless: false };
}
