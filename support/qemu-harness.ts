import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Log, VmDriver } from "@microterm/core";
import type { VmDriverHarness } from "@microterm/core/testing";
import type { HostDaemonClient } from "@microterm/host";
import { createQuietLog } from "./quiet-log.ts";
import { startTestDaemon } from "./test-daemon.ts";

type CreateQemuDriver = (options: {
  daemon: HostDaemonClient;
  machinesDir: string;
  image: string;
  accelerator: "tcg" | "kvm";
  acceleratorReason: string;
  log: Log;
}) => VmDriver;

/** A qemu driver over a real daemon and the real image, under TCG, which runs everywhere. */
export async function startQemuHarness(create: CreateQemuDriver): Promise<VmDriverHarness> {
  const daemon = await startTestDaemon();
  return {
    makeDriver: () =>
      Promise.resolve(
        create({
          daemon: daemon.client,
          machinesDir: daemon.machinesDir,
          image: daemon.image.key,
          accelerator: "tcg",
          acceleratorReason: "the tests run everywhere",
          log: createQuietLog(),
        }),
      ),
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
