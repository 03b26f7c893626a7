import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { runCommand } from "@microterm/host";

const VERSION = "4.32.5";

/** schemathesis (PyPI) in an environment of its own, outside the checkout and kept for the next run. Resolves with its path. */
export async function schemathesis(): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "microterm-tests");
  const folder = join(cache, `schemathesis-${VERSION}`);
  const program = join(folder, "bin/schemathesis");
  const isWhole = join(folder, ".whole");
  if (existsSync(isWhole)) return program;
  await mkdir(cache, { recursive: true });
  await rm(folder, { recursive: true, force: true });
  // Its programs name the folder, so it is made where it stays.
  await must(["python3", "-m", "venv", folder]);
  await must([
    join(folder, "bin/pip"),
    "install",
    "--quiet",
    "--disable-pip-version-check",
    `schemathesis==${VERSION}`,
  ]);
  await mkdir(`${isWhole}.new`);
  await rename(`${isWhole}.new`, isWhole);
  return program;
}

async function must(command: readonly string[]): Promise<void> {
  const { code, stderr } = await runCommand(command, { signal: AbortSignal.timeout(540_000) });
  if (code !== 0) throw new Error(`${command.join(" ")} failed: ${stderr.slice(-2000)}`);
}
