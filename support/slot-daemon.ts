import { createHash, randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { makeTempFolder } from "./temp-folder.ts";
import { startTestDaemon, type TestDaemon } from "./test-daemon.ts";
import type { TestImage } from "./test-image.ts";

/** As `openSlotDaemon`, for this test, with slots that are ready. */
export async function startSlotDaemon(slots: number): Promise<TestDaemon> {
  const daemon = await openSlotDaemon(slots);
  onTestFinished(() => daemon.close());
  await vi.waitUntil(async () => (await daemon.client.networkStatus()).freeSlots === slots, { timeout: 60_000 });
  return daemon;
}

/** A real daemon that makes slots; the host of its networks is a namespace of its own, without an uplink. */
export async function openSlotDaemon(slots: number): Promise<TestDaemon> {
  const folder = await makeTempFolder();
  const daemon = await startTestDaemon({
    image: await makeEmptyImage(join(folder.path, "image")),
    wrap: (command) => ["unshare", "--net", "--", ...command, "--slots", String(slots)],
  });
  const close = async (): Promise<void> => {
    await daemon.client.removeNetworks();
    await daemon.close();
    await folder.remove();
  };
  return { ...daemon, close };
}

/** One that no guest can start from. */
async function makeEmptyImage(directory: string): Promise<TestImage> {
  await mkdir(directory);
  const bytes = randomBytes(64);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const files = ["vmlinuz", "initrd.cpio", "root.erofs"];
  for (const name of files) await writeFile(join(directory, name), bytes);
  const listed = Object.fromEntries(files.map((name) => [name, { size: bytes.length, sha256 }]));
  const manifest = { version: 1, key: "emptyimage", kernel: "none", files: listed };
  await writeFile(join(directory, "manifest.json"), JSON.stringify(manifest));
  return { directory, key: manifest.key };
}
