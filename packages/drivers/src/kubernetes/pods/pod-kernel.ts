/** Whether a pod has a kernel of its own, and how that was found, for a person. */
export interface PodKernel {
  readonly isVm: boolean;
  readonly isolationReason: string;
}

/** By boot_id (random(4)), which a kernel makes when it boots: all containers of a node read its own. `node` is null where it may not be known. */
export function kernelOf(
  bootIds: { readonly pod: string; readonly node: string | null },
  runtimeClass: string | null,
): PodKernel {
  const pods =
    runtimeClass === null ? "pods of the cluster's own runtime" : `pods of the RuntimeClass '${runtimeClass}'`;
  if (bootIds.node === null) {
    const isolationReason = `${pods} count as containers: without the right to get nodes it cannot be told whether they are more`;
    return { isVm: false, isolationReason };
  }
  return bootIds.pod === bootIds.node
    ? { isVm: false, isolationReason: `${pods} are containers: they run on their node's kernel` }
    : { isVm: true, isolationReason: `${pods} are virtual machines: they run on a kernel of their own` };
}
