/** Running the lab's tests on the host itself, where that has what the lab is there for. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { proveKvm } from "@microterm/drivers";
import { runCommand } from "@microterm/host";
import type { Absence, FirecrackerBinaries } from "../../../support/firecracker-binaries.ts";
import { startTestDaemon } from "../../../support/test-daemon.ts";

const CHECKOUT = resolve(import.meta.dirname, "../../..");
/** With working KVM a guest boots in about a second. */
const PROOF_MS = 20_000;

/** Null, or why the lab's tests do not run on this host itself. */
export async function absenceHere(): Promise<string | null> {
  const processor = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  if (!/^flags.*\b(vmx|svm)\b/m.test(processor)) return "its processor has no virtualisation";
  if (!existsSync("/dev/kvm")) return "it has no /dev/kvm";
  if (!existsSync("/sys/fs/cgroup/cgroup.controllers")) return "it has no cgroup v2 by itself";
  const daemon = await startTestDaemon();
  try {
    const { client, machinesDir, image } = daemon;
    const proof = await proveKvm({ daemon: client, machinesDir, image: image.key, deadlineMs: PROOF_MS });
    return proof.accelerator === "kvm" ? null : proof.reason;
  } finally {
    await daemon.close();
  }
}

/** Resolves with vitest's exit code. */
export async function runHere(
  tests: readonly string[],
  report: string | undefined,
  found: FirecrackerBinaries | Absence,
): Promise<number> {
  const firecracker =
    "absence" in found ? {} : { MICROTERM_FIRECRACKER: found.firecracker, MICROTERM_JAILER: found.jailer };
  const reporters = ["--reporter=verbose", "--reporter=tests/reporter.ts"];
  if (report !== undefined) reporters.push("--reporter=json", `--outputFile.json=${report}`);
  const vitest = [process.execPath, join(CHECKOUT, "node_modules/vitest/vitest.mjs"), "run", "--project", "lab"];
  const { code, stdout, stderr } = await runCommand([...vitest, ...reporters, ...tests], {
    cwd: CHECKOUT,
    env: { ...process.env, ...firecracker },
  });
  process.stdout.write(stdout + stderr);
  return code ?? 1;
}
