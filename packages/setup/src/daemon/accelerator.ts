import { existsSync } from "node:fs";
import { cpus, release } from "node:os";
import { proveKvm } from "@microterm/drivers";
import type { HostDaemonClient } from "@microterm/host";
import { PlatformError } from "@microterm/protocol";
import { z } from "zod";
import type { DataPaths } from "../data/paths.ts";
import { readPlainFile, writePlainFile } from "../data/plain-files.ts";
import { oneLine, type Progress } from "../progress.ts";

/** A KVM guest of ours answers in one or two seconds; a host whose KVM hangs never does. */
const PROOF_DEADLINE_MS = 10_000;

/** The file is a line. */
const MOST_BYTES = 64 * 1024;

const Remembered = z.strictObject({
  /** What the answer depends on: host kernel, CPU, QEMU, and whether there is a KVM to ask. */
  host: z.string().transform(oneLine),
  accelerator: z.enum(["kvm", "tcg"]),
  reason: z.string().transform(oneLine),
});
export type AcceleratorVerdict = Pick<z.infer<typeof Remembered>, "accelerator" | "reason">;

/** What was found out last, on whatever host, or null. */
export function lastAccelerator(paths: DataPaths): z.infer<typeof Remembered> | null {
  try {
    return Remembered.parse(JSON.parse(readPlainFile(paths.accelerator, MOST_BYTES)));
  } catch {
    return null;
  }
}

/** What was found out earlier about this very host, or null. */
export function rememberedAccelerator(paths: DataPaths, qemu: string | null): AcceleratorVerdict | null {
  const remembered = lastAccelerator(paths);
  return remembered?.host === hostFingerprint(qemu) ? remembered : null;
}

/**
 * KVM is only what boots a guest: `/dev/kvm` may exist, open and create a VM and still hang it. So a machine is booted
 * with it, once per host kernel, CPU and QEMU; where it does not answer, guests are emulated. Rejects with what keeps any
 * machine from being started, which says nothing of KVM and is not remembered.
 */
export async function detectAccelerator(
  paths: DataPaths,
  daemon: HostDaemonClient,
  image: string,
  progress: Progress,
): Promise<AcceleratorVerdict> {
  const { qemu } = await daemon.hello();
  const known = rememberedAccelerator(paths, qemu);
  if (known !== null) return known;
  const verdict = await prove(daemon, image, paths, progress);
  writePlainFile(paths.accelerator, `${JSON.stringify({ host: hostFingerprint(qemu), ...verdict })}\n`);
  return verdict;
}

async function prove(
  daemon: HostDaemonClient,
  image: string,
  paths: DataPaths,
  progress: Progress,
): Promise<AcceleratorVerdict> {
  if (!existsSync("/dev/kvm")) return { accelerator: "tcg", reason: "there is no /dev/kvm on this host" };
  const step = progress.step("Proving KVM by booting a guest (at most 10 s)");
  const watched = watchLaunch(daemon);
  const { accelerator, reason } = await proveKvm({
    daemon: watched.daemon,
    image,
    machinesDir: `${paths.host}/machines`,
    deadlineMs: PROOF_DEADLINE_MS,
  });
  if (watched.trouble() !== null) throw watched.trouble();
  if (accelerator === "kvm") step.done(oneLine(reason));
  else step.warn(oneLine(reason));
  return { accelerator, reason: oneLine(reason) };
}

const HOST_TROUBLE: ReadonlySet<string> = new Set(["HOST_DAEMON_UNAVAILABLE", "HOST_OUT_OF_MEMORY"]);

/** Whatever goes wrong, the proof takes for KVM's; what the host itself lacks is noted here. */
function watchLaunch(daemon: HostDaemonClient): { daemon: HostDaemonClient; trouble: () => PlatformError | null } {
  let trouble: PlatformError | null = null;
  const launch: HostDaemonClient["launch"] = async (args) => {
    try {
      return await daemon.launch(args);
    } catch (error) {
      if (error instanceof PlatformError && HOST_TROUBLE.has(error.code)) trouble = error;
      throw error;
    }
  };
  return { daemon: { ...daemon, launch }, trouble: () => trouble };
}

function hostFingerprint(qemu: string | null): string {
  const kvm = existsSync("/dev/kvm") ? "/dev/kvm" : "no /dev/kvm";
  return `${release()} / ${cpus()[0]?.model ?? "unknown CPU"} / QEMU ${qemu ?? "unknown"} / ${kvm}`;
}
