import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Log, VmDriver } from "@microterm/core";
import type { VmDriverHarness } from "@microterm/core/testing";
import type { HostDaemonClient } from "@microterm/host";
import { createQuietLog } from "./quiet-log.ts";
import { startTestDaemon, type TestDaemon } from "./test-daemon.ts";

export interface HostOptions {
  readonly daemon: HostDaemonClient;
  readonly machinesDir: string;
  readonly image: string;
  readonly accelerator: "tcg" | "kvm";
  readonly acceleratorReason: string;
  readonly log: Log;
}

/** For a driver of microterm-host's over a daemon and its image, under TCG, which runs everywhere, unless said. */
export function hostOptions(
  { client, machinesDir, image }: TestDaemon,
  accelerator: HostOptions["accelerator"] = "tcg",
): HostOptions {
  return {
    daemon: client,
    machinesDir,
    image: image.key,
    accelerator,
    acceleratorReason: "the test says so",
    log: createQuietLog(),
  };
}

/** A driver over a real daemon and the real image. */
export async function startVmHarness(
  create: (options: HostOptions) => VmDriver,
  accelerator: HostOptions["accelerator"] = "tcg",
): Promise<VmDriverHarness> {
  const daemon = await startTestDaemon();
  return {
    makeDriver: () => Promise.resolve(create(hostOptions(daemon, accelerator))),
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
