export { createFirecrackerDriver, type FirecrackerDriverOptions } from "./firecracker/firecracker-driver.ts";
export type { HostDriverOptions } from "./host/host-driver.ts";
export { nameOfResource, type Right, rightsOf } from "./kubernetes/cluster/rights.ts";
export {
  createKubernetesDriver,
  type KubernetesDriver,
  type KubernetesDriverOptions,
} from "./kubernetes/kubernetes-driver.ts";
export { type PodPlace, volumesOf } from "./kubernetes/pods/pod-place.ts";
export { type ClusterInspection, inspectCluster } from "./kubernetes/proof/cluster-inspection.ts";
export { proveCluster } from "./kubernetes/proof/cluster-proof.ts";
export { type ClusterProof, rememberedProof } from "./kubernetes/proof/proof-file.ts";
export { createProcessDriver, type ProcessDriverOptions } from "./process/process-driver.ts";
export { type KvmProof, type KvmProofOptions, proveKvm } from "./qemu/kvm-proof.ts";
export { createQemuDriver } from "./qemu/qemu-driver.ts";
