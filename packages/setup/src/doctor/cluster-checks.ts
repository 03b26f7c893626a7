import { type ClusterInspection, type ClusterProof, inspectCluster, type PodPlace } from "@microterm/drivers";
import { DEFAULT_SIZE, PlatformError, plainText, SIZES } from "@microterm/protocol";
import { SHOWN } from "../progress.ts";
import { type Check, fail, ok, warn } from "./check.ts";

/** Since then pods wait at scheduling gates in every cluster. */
const OLDEST_MINOR = 30;

const wordsOf = (error: unknown): string => plainText(error instanceof Error ? error.message : String(error), SHOWN);

/** What a cluster has to have, line by line: each stands on those before it. */
export async function clusterChecks(
  place: PodPlace,
  { allowsUnenforced }: { readonly allowsUnenforced: boolean },
): Promise<readonly Check[]> {
  let cluster: ClusterInspection;
  try {
    cluster = await inspectCluster(place);
  } catch (error) {
    return [
      fail(
        "cluster",
        `the kubeconfig cannot be used: ${wordsOf(error)}`,
        "doctor --driver kubernetes --kubeconfig FILE",
      ),
    ];
  }
  try {
    const reached = await versionCheck(cluster);
    if (reached.status === "fail") return [reached];
    const [rights, admission, volumes] = await Promise.all([
      rightsCheck(cluster),
      admissionChecks(cluster, place),
      volumeChecks(cluster),
    ]);
    const isReady = [rights, ...admission, ...volumes].every(({ status }) => status !== "fail");
    const proof = isReady ? await proofChecks(cluster, allowsUnenforced) : [];
    return [reached, rights, ...admission, ...volumes, ...proof];
  } finally {
    cluster.close();
  }
}

async function versionCheck(cluster: ClusterInspection): Promise<Check> {
  try {
    const version = plainText(await cluster.version(), SHOWN);
    return versionOf(version, plainText(cluster.server, SHOWN));
  } catch (error) {
    return fail(
      "cluster",
      wordsOf(error),
      "the address and the credentials of the kubeconfig: kubectl --kubeconfig FILE version",
    );
  }
}

export function versionOf(version: string, server: string): Check {
  const said = `Kubernetes ${version} at ${server}`;
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
  if (Number(major) > 1 || Number(minor) >= OLDEST_MINOR) return ok("cluster", said);
  return fail("cluster", `${said}: pods cannot wait for their policies there`, `Kubernetes 1.${OLDEST_MINOR} or newer`);
}

async function rightsCheck(cluster: ClusterInspection): Promise<Check> {
  try {
    return rightsOf(await cluster.missingRights());
  } catch (error) {
    return fail(
      "rights",
      wordsOf(error),
      "let the account create selfsubjectaccessreviews, as all accounts may by default",
    );
  }
}

/** Resources without whose rights it works, and what is lost then. */
const LOSSES: Readonly<Record<string, string>> = {
  nodes: "pods count as containers, and nodes' public addresses are open to them",
  endpointslices: "a public address of the API server's own is open to them",
  events: "why a volume cannot be had is not said",
  storageclasses: "a StorageClass that is not there is not noticed",
};
const resourceOf = (right: string): string => right.split(" ")[0] ?? "";

export function rightsOf(missing: readonly string[]): Check {
  if (missing.length === 0) return ok("rights", "all that a server needs");
  const text = `missing: ${missing.join(", ")}`;
  const fix = "a Role, and a ClusterRole for nodes, as in docs/operations.md (On a Kubernetes cluster)";
  const losses = [...new Set(missing.map((right) => LOSSES[resourceOf(right)]))];
  if (losses.includes(undefined)) return fail("rights", text, fix);
  return warn("rights", `${text}: ${losses.join("; ")}`, fix);
}

async function admissionChecks(cluster: ClusterInspection, { runtimeClass }: PodPlace): Promise<readonly Check[]> {
  try {
    await cluster.tryPod(SIZES[DEFAULT_SIZE]);
    return admissionOf(null, runtimeClass);
  } catch (error) {
    return admissionOf(error, runtimeClass);
  }
}

/** By what a pod of the default size is refused with, if it is. */
export function admissionOf(refusal: unknown, runtimeClass: string | null): readonly Check[] {
  const words = refusal === null ? "" : wordsOf(refusal);
  const found = runtimeClass === null ? "the cluster's own runtime" : `'${runtimeClass}' is there`;
  const { memoryMib, cpus } = SIZES[DEFAULT_SIZE];
  const size = `an environment of the default size (${memoryMib} MiB, ${cpus} CPU)`;
  if (refusal === null) return [ok("runtime class", found), ok("quota", `has room for ${size}`)];
  if (/runtimeclass/i.test(words)) {
    return [fail("runtime class", words, "install Kata Containers, or name another class: --runtime-class NAME")];
  }
  if (refusal instanceof PlatformError && refusal.code === "HOST_OUT_OF_MEMORY") {
    return [ok("runtime class", found), fail("quota", words, `a ResourceQuota that has room for ${size}`)];
  }
  return [fail("pods", `the cluster takes none: ${words}`, "have it admit pods of the security standard 'baseline'")];
}

async function volumeChecks(cluster: ClusterInspection): Promise<readonly Check[]> {
  const { diskMib } = SIZES[DEFAULT_SIZE];
  try {
    const found = await cluster.tryClaim(diskMib);
    return found === null
      ? []
      : [ok("volumes", `of the StorageClass '${plainText(found, SHOWN)}', ${diskMib} MiB each`)];
  } catch (error) {
    const fix = `a StorageClass with a provisioner (--storage-class NAME), and a ResourceQuota that has room for claims of ${diskMib} MiB`;
    return [fail("volumes", wordsOf(error), fix)];
  }
}

async function proofChecks(cluster: ClusterInspection, allowsUnenforced: boolean): Promise<readonly Check[]> {
  try {
    return proofOf(await cluster.prove(), allowsUnenforced);
  } catch (error) {
    const isUnreached = error instanceof PlatformError && error.code === "GUEST_UNREACHABLE";
    const fix = isUnreached
      ? "run the server in the cluster, or where routes lead to pods and their NetworkPolicies see its own address"
      : "kubectl get events, and what it says there";
    return [fail("pods", wordsOf(error), fix)];
  }
}

export function proofOf(
  { isEnforced, policyReason, isVm, isolationReason }: ClusterProof,
  allowsUnenforced: boolean,
): readonly Check[] {
  return [
    ok("pods", "two were started, and reached at their addresses"),
    isEnforced ? ok("policies", policyReason) : unenforced(policyReason, allowsUnenforced),
    isVm
      ? ok("isolation", isolationReason)
      : warn("isolation", isolationReason, "a RuntimeClass of Kata Containers; until then, no untrusted code"),
  ];
}

function unenforced(policyReason: string, isAllowed: boolean): Check {
  const text = `not enforced, so that environments reach each other, the cluster and all that it reaches: ${policyReason}`;
  const plugin = "a network plugin that enforces NetworkPolicies, such as Calico or Cilium";
  if (isAllowed) return warn("policies", `${text} (--insecure-no-network-policy)`, plugin);
  return fail("policies", text, `${plugin}; or up --insecure-no-network-policy, and no untrusted code`);
}
