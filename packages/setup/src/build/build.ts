import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { runCommand, systemCode } from "@microterm/host";
import { buildImage, ImageBuildError } from "@microterm/images";
import { CHECKOUT } from "../data/paths.ts";
import { type Progress, SetupError } from "../progress.ts";
import { treeHash } from "./tree-hash.ts";

/** The daemon finds the prober of its jails beside itself. */
export const PROGRAMS = ["microterm-agent", "microterm-host", "microterm-jail-probe"] as const;

/** Where the Rust programs lie, each set under the hash of its sources. */
export interface Binaries {
  readonly agent: string;
  readonly daemon: string;
}

/** The folder's name below `bin` of the cache. */
const binariesKey = (): string => treeHash(CHECKOUT, ["rust"]);

/** Builds agent and daemon with cargo. Rejects with a {@link SetupError} that has the compiler's last words. */
export async function buildBinaries(cache: string, progress: Progress): Promise<Binaries> {
  const folder = join(cache, "bin", binariesKey());
  const built = { agent: join(folder, "microterm-agent"), daemon: join(folder, "microterm-host") };
  if (PROGRAMS.every((name) => existsSync(join(folder, name)))) {
    touch(folder);
    return built;
  }
  const step = progress.step("Building the guest agent and the daemon (Rust, 1 to 4 minutes)");
  const result = await runCommand(
    ["cargo", "build", "--release", "--locked", "-p", "microterm-agent", "-p", "microterm-host"],
    {
      cwd: join(CHECKOUT, "rust"),
      onLine: (line) => step.update(line.trim()),
    },
  );
  if (result.code !== 0) {
    throw new SetupError(
      `cargo could not build agent and daemon:\n${result.stderr}`,
      "check the network or proxy (crates are downloaded once), then: ./microterm up",
    );
  }
  publish(folder, (partial) => {
    for (const name of PROGRAMS) {
      cpSync(join(CHECKOUT, "rust/target/release", name), join(partial, name));
    }
  });
  keepNewest(join(cache, "bin"), 3);
  step.done();
  return built;
}

/** What packages/web/dist/.key holds where the page there is that of this checkout. */
const pageKey = (): string =>
  treeHash(CHECKOUT, [
    "packages/web/src",
    "packages/web/build",
    "packages/web/public",
    "packages/web/index.html",
    "packages/web/vite.config.ts",
    "packages/web/package.json",
    "packages/sdk/src",
    "packages/screen/src",
    "packages/protocol/src",
    "package-lock.json",
  ]);

/** Builds the page with Vite into packages/web/dist. */
export async function buildPage(progress: Progress): Promise<void> {
  const key = pageKey();
  const stamp = join(CHECKOUT, "packages/web/dist/.key");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === key) return;
  const step = progress.step("Building the page");
  const result = await runCommand([process.execPath, join(CHECKOUT, "node_modules/vite/bin/vite.js"), "build"], {
    cwd: join(CHECKOUT, "packages/web"),
    onLine: (line) => step.update(line.trim()),
  });
  if (result.code !== 0) {
    throw new SetupError(
      `the page could not be built:\n${result.stderr}${result.stdout}`,
      "npm ci, then: ./microterm up",
    );
  }
  writeFileSync(stamp, key);
  step.done();
}

/** Builds the image, or finds it; one whose files don't match their hashes is built again, and that is said. */
export async function ensureImage(
  cache: string,
  agent: string,
  progress: Progress,
): Promise<{ path: string; key: string }> {
  let step: ReturnType<Progress["step"]> | null = null;
  try {
    const { directory, manifest } = await buildImage({
      outDir: join(cache, "images"),
      cacheDir: join(cache, "image-parts"),
      agentBinary: agent,
      runner: { run: runCommand },
      onProgress: (update) => {
        if (update.isNote) return progress.note(`  ${update.text}`);
        if (update.step === "check") return;
        step ??= progress.step("Building the guest's Linux (Debian, 1 to 3 minutes)");
        step.update(`${Math.round(update.fraction * 100)} % ${update.text}`);
      },
    });
    (step as ReturnType<Progress["step"]> | null)?.done();
    touch(directory);
    keepNewest(join(cache, "images"), 3);
    return { path: directory, key: manifest.key };
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const hint = error instanceof ImageBuildError ? error.hint : "./microterm doctor";
    const log = error instanceof ImageBuildError ? `\n${error.log.trimEnd().split("\n").slice(-12).join("\n")}` : "";
    throw new SetupError(`the guest's Linux could not be built: ${said}${log}`, hint, { cause: error });
  }
}

/** Fills a folder under a temporary name and renames it, so that a folder that exists is whole. */
function publish(folder: string, fill: (partial: string) => void): void {
  mkdirSync(join(folder, ".."), { recursive: true });
  const partial = mkdtempSync(`${folder}.partial-`);
  fill(partial);
  // mkdtemp makes 0700; the service user reads the agent from here.
  chmodSync(partial, 0o755);
  rmSync(folder, { recursive: true, force: true });
  renameSync(partial, folder);
}

/** {@link keepNewest} goes by the last use. Another user's cache can't be touched, nor is it ours to prune. */
export function touch(folder: string): void {
  try {
    utimesSync(folder, new Date(), new Date());
  } catch (error) {
    if (systemCode(error) !== "EPERM" && systemCode(error) !== "EACCES" && systemCode(error) !== "EROFS") throw error;
  }
}

/** Builds that have not been used are of no use once several newer ones are there. */
export function keepNewest(folder: string, count: number): void {
  const entries = readdirSync(folder, { withFileTypes: true })
    .map((entry) => ({ path: join(folder, entry.name), time: statSync(join(folder, entry.name)).mtimeMs }))
    .sort((a, b) => b.time - a.time);
  for (const entry of entries.slice(count)) rmSync(entry.path, { recursive: true, force: true });
}
