import { plainText } from "@microterm/protocol";
import { CliError } from "../failure.ts";

/** PATH_MAX of Linux; agents send nothing longer. */
const MAX_PATH_BYTES = 4096;
/** Folders within folders; deeper trees are made by attackers only. */
const MAX_DEPTH = 128;

/** A tar that no honest agent sends. The copy ends at once; the message names the member. */
export class HostileTarError extends CliError {
  constructor(member: string, why: string) {
    super(
      `The environment sent a tar with a hostile member: ${JSON.stringify(plainText(member).slice(0, 200))} ${why}.`,
      {
        hint: "Nothing was written for it; what was copied before it stays.",
      },
    );
  }
}

/**
 * A member's name as the path components below the destination, without the first one, which is the copied folder's own
 * name; empty for that folder itself.
 * @throws HostileTarError for a name that leads out, or that cannot be a path.
 */
export function componentsOf(name: string): string[] {
  if (name.includes("\0")) throw new HostileTarError(name, "has a NUL in its name");
  if (Buffer.byteLength(name) > MAX_PATH_BYTES)
    throw new HostileTarError(name, `is longer than ${MAX_PATH_BYTES} bytes`);
  if (name.startsWith("/")) throw new HostileTarError(name, "has an absolute name");
  const components = name.split("/").filter((component) => component !== "" && component !== ".");
  if (components.includes("..")) throw new HostileTarError(name, "leads out of the folder");
  if (components.length > MAX_DEPTH) throw new HostileTarError(name, `is more than ${MAX_DEPTH} folders deep`);
  return components.slice(1);
}

/**
 * Whether a link at `components` with this target stays within the copied folder. `..` counts at the beginning only:
 * "a/.." leads anywhere when "a" is a link itself.
 */
export function staysInside(components: readonly string[], target: string): boolean {
  if (target === "" || target.includes("\0") || target.startsWith("/")) return false;
  const parts = target.split("/").filter((part) => part !== "" && part !== ".");
  const ups = parts.findIndex((part) => part !== "..");
  const leading = ups === -1 ? parts.length : ups;
  return leading < components.length && !parts.slice(leading).includes("..");
}
