import { userInfo } from "node:os";
import { runInteractive } from "@microterm/host";
import { SetupError } from "../progress.ts";

/**
 * Runs a command as root: through sudo, which may ask for the password on the terminal, where we are not root.
 * Rejects when it fails. Its output goes to the descriptors, or to our stderr.
 */
export async function asRoot(
  command: readonly string[],
  output: { stdout: number; stderr: number } = { stdout: 2, stderr: 2 },
): Promise<void> {
  const sudo = userInfo().uid === 0 ? [] : ["sudo", ...(process.stdin.isTTY ? [] : ["-n"]), "--"];
  const code = await runInteractive([...sudo, ...command], output);
  if (code === 0) return;
  throw new SetupError(
    `'${[...sudo, ...command].join(" ")}' failed with exit code ${code}`,
    sudo.length > 0
      ? "run it where sudo can ask for your password, or as root: sudo ./microterm up"
      : "./microterm doctor",
  );
}

/** A script of sh(1) as root, with its arguments as `$1` and on. */
export const scriptAsRoot = (script: string, ...args: readonly string[]): Promise<void> =>
  asRoot(["sh", "-c", script, "sh", ...args]);
