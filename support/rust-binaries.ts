import { existsSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "@microterm/host";

const ROOT = join(import.meta.dirname, "..");

export type RustBinary = "microterm-agent" | "microterm-host";

/**
 * A binary of the Rust workspace: the one that MICROTERM_BIN's folder holds, else as cargo builds it from the present sources
 * (which takes a moment where nothing has changed).
 */
export async function rustBinary(name: RustBinary): Promise<string> {
  const given = process.env.MICROTERM_BIN;
  if (given !== undefined && existsSync(join(given, name))) return join(given, name);
  const { code, stderr } = await runCommand(["cargo", "build", "--release", "--quiet", "-p", name], {
    cwd: join(ROOT, "rust"),
  });
  const built = join(ROOT, "rust/target/release", name);
  if (code !== 0 || !existsSync(built)) throw new Error(`${name} could not be built: ${stderr}`);
  return built;
}
