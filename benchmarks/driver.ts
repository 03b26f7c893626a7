import { readFileSync } from "node:fs";
import { proveKvm } from "@microterm/drivers";
import { startTestDaemon } from "../support/test-daemon.ts";

const PROOF_MS = 10_000;

/** What makes the guests that are measured. */
export interface MeasuredDriver {
  readonly driver: "qemu" | "firecracker";
  readonly accelerator: "tcg" | "kvm";
  /** What times are worth here, for a person. */
  readonly note: string;
}

/** For what has no guests, which any driver does for. */
export const NO_DRIVER: MeasuredDriver = { driver: "qemu", accelerator: "tcg", note: "" };

/**
 * Proves KVM, with which guests are then run where it works. Rejects where Firecracker is asked for and cannot run, with the reason. Needs
 * root.
 */
export async function measuredDriver(driver: MeasuredDriver["driver"]): Promise<MeasuredDriver> {
  const daemon = await startTestDaemon();
  try {
    const { client, machinesDir, image } = daemon;
    const { firecracker } = await client.hello();
    const proof = await proveKvm({ daemon: client, machinesDir, image: image.key, deadlineMs: PROOF_MS });
    const reason = proof.reason.split("\n")[0] ?? "";
    if (driver === "firecracker") {
      if (proof.accelerator !== "kvm")
        throw new Error(`Firecracker cannot run here, since KVM is not proven: ${reason}`);
      if (firecracker?.problem !== null) {
        const why = firecracker?.problem ?? "the daemon knows of none";
        throw new Error(`Firecracker cannot run here: ${why}; MICROTERM_FIRECRACKER and MICROTERM_JAILER name it`);
      }
    }
    return { driver, accelerator: proof.accelerator, note: worth(proof.accelerator, reason) };
  } finally {
    await daemon.close();
  }
}

function worth(accelerator: "tcg" | "kvm", reason: string): string {
  if (accelerator === "tcg") return `guests are emulated (${reason}): times mean nothing but beside the floor`;
  // The processor that QEMU emulates says so by its name.
  if (/^model name.*\bQEMU\b/m.test(readFileSync("/proc/cpuinfo", "utf8"))) {
    return "KVM itself is emulated here: times mean nothing, only that it works";
  }
  return reason;
}
