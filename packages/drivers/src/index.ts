export { createProcessDriver, type ProcessDriverOptions } from "./process/process-driver.ts";
export { type KvmProof, type KvmProofOptions, proveKvm } from "./qemu/kvm-proof.ts";
export { createQemuDriver, type QemuDriverOptions } from "./qemu/qemu-driver.ts";
