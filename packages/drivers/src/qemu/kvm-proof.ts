import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { DEADLINE_FACTOR, type HostDaemonClient } from "@microterm/host";
import { MachineId, plainText } from "@microterm/protocol";
import { HostMachine } from "../host/host-machine.ts";
import { QEMU } from "./qemu-driver.ts";

const MEMORY_MIB = 128;

export interface KvmProofOptions {
  readonly daemon: HostDaemonClient;
  readonly machinesDir: string;
  readonly image: string;
  /** How long a guest may take to answer; with working KVM it takes about a second. */
  readonly deadlineMs: number;
}

export interface KvmProof {
  readonly accelerator: "kvm" | "tcg";
  /** For a person. */
  readonly reason: string;
}

/**
 * Boots a guest with KVM and waits for its agent. Nothing less proves KVM: there are hosts where /dev/kvm opens, tells its
 * version and makes a VM that then hangs. Rejects only when the daemon cannot be reached.
 */
export async function proveKvm({ daemon, machinesDir, image, deadlineMs }: KvmProofOptions): Promise<KvmProof> {
  await daemon.hello();
  const id = MachineId.parse(randomBytes(8).toString("hex"));
  const channelKey = randomBytes(16).toString("hex");
  const started = performance.now();
  try {
    const launch = { machineId: id, image, diskId: null, memoryMib: MEMORY_MIB, cpus: 1, accelerator: "kvm" } as const;
    await daemon.launch({ ...launch, magic: channelKey });
    const machine = new HostMachine({ id, vmm: QEMU, daemon, folder: join(machinesDir, id), channelKey });
    try {
      await machine.follow();
      await machine.agent({ timeoutMs: deadlineMs });
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      return { accelerator: "kvm", reason: `a guest booted with KVM in ${seconds} s` };
    } finally {
      machine.release();
    }
  } catch (error) {
    const what = plainText(error instanceof Error ? error.message : String(error), { layout: "lines", max: 200 });
    const mostMs = deadlineMs * DEADLINE_FACTOR;
    // QEMU says at once where it cannot use KVM at all; a KVM that hangs says nothing until the deadline.
    const reason =
      performance.now() - started < mostMs
        ? `/dev/kvm does not work here: ${what}`
        : `/dev/kvm does not work here: no guest booted with it within ${mostMs / 1000} s`;
    return { accelerator: "tcg", reason };
  } finally {
    await daemon.kill(id);
  }
}
