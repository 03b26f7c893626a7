export { createFirecrackerDriver, type FirecrackerDriverOptions } from "./firecracker/firecracker-driver.ts";
export type { HostDriverOptions } from "./host/host-driver.ts";
export {
  createKubernetesDriver,
  type KubernetesDriver,
  type KubernetesDriverOptions,
} from "./kubernetes/kubernetes-driver.ts";
export { createProcessDriver, type ProcessDriverOptions } from "./process/process-driver.ts";
export { type KvmProof, type KvmProofOptions, proveKvm } from "./qemu/kvm-proof.ts";
export { createQemuDriver } from "./qemu/qemu-driver.ts";
