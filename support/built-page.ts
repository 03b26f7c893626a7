import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { makeTempFolder, type TempFolder } from "./temp-folder.ts";

/** Where the setup of a test run leaves the page for all test files. */
const SHARED = "MICROTERM_TEST_PAGE";

/**
 * Builds the page as it is in the checkout into a folder of its own, for a server's `--web`; without the compressed copies
 * of its files, which take seconds, unless they are what is tested.
 */
async function build(isCompressed: boolean): Promise<TempFolder> {
  const vite = await import("vite");
  const folder = await makeTempFolder();
  const root = join(import.meta.dirname, "../packages/web");
  const mode = isCompressed ? "production" : "uncompressed";
  await vite.build({ root, mode, logLevel: "error", build: { outDir: folder.path, emptyOutDir: true } });
  // The server may run as another user than who built it.
  await chmod(folder.path, 0o755);
  return folder;
}

/** The built page; without compressed copies it is the test run's, where that has one. */
export async function builtPage({ isCompressed = false } = {}): Promise<TempFolder> {
  const path = process.env[SHARED];
  if (path === undefined || isCompressed) return build(isCompressed);
  return { path, remove: async () => undefined };
}

/** For vitest's `globalSetup`: one build for all test files. */
export default async function setup(): Promise<() => Promise<void>> {
  const { path, remove } = await build(false);
  process.env[SHARED] = path;
  return remove;
}
