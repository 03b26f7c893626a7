import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestDaemon } from "../support/test-daemon.ts";
import { restoredRecipe, startFirecracker } from "./bare-firecracker.ts";
import type { BareGuest } from "./bare-qemu.ts";
import { restoreBare, restoreRecipeOf } from "./bare-restore.ts";
import type { MeasuredDriver } from "./driver.ts";

export interface RestoredGuest extends BareGuest {
  /** From what tells the VMM to load until the guest runs, ms. */
  readonly loadMs: number;
}

/** Restores of the product's own template by the VMM alone. */
export interface BareRestores {
  readonly title: string;
  /** What the VMM's makers say of their own hosts; "" for nothing. */
  readonly publishedLoad: string;
  restore(): Promise<RestoredGuest>;
}

/** Of the template of a restored machine that runs now. */
export async function bareRestoresOf(daemon: TestDaemon, { driver }: MeasuredDriver): Promise<BareRestores> {
  if (driver === "qemu") {
    const recipe = await restoreRecipeOf(daemon);
    return { title: "QEMU", publishedLoad: "", restore: () => restoreBare(recipe) };
  }
  const recipe = await ofTemplate(daemon);
  return {
    title: "Firecracker",
    publishedLoad: "published: 2–8 ms",
    restore: async () => {
      const guest = await startFirecracker(recipe);
      return { ...guest, loadMs: guest.callMs };
    },
  };
}

async function ofTemplate(daemon: TestDaemon) {
  for (const { machineId, vmm, magic } of (await daemon.client.list()).machines) {
    if (vmm !== "firecracker" || magic === null) continue;
    const record = JSON.parse(readFileSync(join(daemon.machinesDir, machineId, "machine.json"), "utf8"));
    const template = record.memory?.template;
    if (typeof template === "string")
      return restoredRecipe(daemon, join(daemon.data, "host/templates", template), magic);
  }
  throw new Error("no restored Firecracker runs");
}
