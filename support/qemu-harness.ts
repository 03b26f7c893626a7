import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Log, VmDriver } from "@microterm/core";
import type { VmDriverHarness } from "@microterm/core/testing";
import type { HostDaemonClient } from "@microterm/host";
import { createQuietLog } from "./quiet-log.ts";
import { startTestDaemon, type TestDaemon } from "./test-daemon.ts";

interface QemuOptions {
  readonly daemon: HostDaemonClient;
  readonly machinesDir: string;
  readonly image: string;
  readonly accelerator: "tcg" | "kvm";
  readonly acceleratorReason: string;
  readonly log: Log;
}

/** For a qemu driver over a daemon and its image, under TCG, which runs everywhere, unless said. */
export function qemuOptions(
  { client, machinesDir, image }: TestDaemon,
  accelerator: QemuOptions["accelerator"] = "tcg",
): QemuOptions {
  return {
    daemon: client,
    machinesDir,
    image: image.key,
    accelerator,
    acceleratorReason: "the test says so",
    log: createQuietLog(),
  };
}

/** A qemu driver over a real daemon and the real image. */
export async function startQemuHarness(create: (options: QemuOptions) => VmDriver): Promise<VmDriverHarness> {
  const daemon = await startTestDaemon();
  return {
    makeDriver: () => Promise.resolve(create(qemuOptions(daemon))),
    killVmm: async (machineId) => {
      const machine = (await daemon.client.list()).machines.find((found) => found.machineId === machineId);
      if (machine?.pid == null) throw new Error(`no VMM of ${machineId} runs`);
      process.kill(machine.pid, "SIGKILL");
    },
    bootMs: 90_000,
    memoryMib: 192,
    damageTemplate: async (key) => {
      const state = await open(join(daemon.data, "host/templates", key, "state"), "r+");
      const { size } = await state.stat();
      await state.write(Buffer.from("damaged"), 0, 7, Math.floor(size / 2));
      await state.close();
    },
    close: () => daemon.close(),
  };
}
