import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BOOT_MODULES } from "./debian/modules.ts";
import { hashFile } from "./hash-file.ts";

/** What is copied into the guest, the list of packages, and the script that puts both together. */
export const RECIPE_DIRECTORY = fileURLToPath(new URL("../recipe", import.meta.url));

/** Raised when the code of this package makes a different image out of the same recipe. */
const BUILDER_VERSION = 1;

/** Debian's kernel for virtual machines: no drivers of real hardware, and a third of the usual one's size. */
export const KERNEL_PACKAGE = "linux-image-cloud-amd64";

/** Bytes that erofs packs together. 4 KiB and 16 KiB give a root 14 % and 5 % larger, and no guest that starts programs faster. */
export const EROFS_CLUSTER_BYTES = 65_536;

/** What dpkg does not unpack; holds in the guest too, for packages that are installed there. */
export const DPKG_OPTIONS = [
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/lintian/*",
  "path-exclude=/usr/share/locale/*",
  "path-include=/usr/share/locale/locale.alias",
  // Manual pages are kept, translations are not.
  "path-exclude=/usr/share/man/??/*",
  "path-exclude=/usr/share/man/??_*/*",
  // Loads the completion in each login shell; /etc/bash.bashrc does it at the first Tab.
  "path-exclude=/etc/profile.d/bash_completion.sh",
] as const;

export function parsePackageList(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

export async function readPackages(): Promise<readonly string[]> {
  return parsePackageList(await readFile(join(RECIPE_DIRECTORY, "packages.txt"), "utf8"));
}

const digest = (value: unknown) => createHash("sha256").update(JSON.stringify(value)).digest("hex");

/** Each file of the recipe with its hash, in a fixed order. */
async function recipeFiles(): Promise<readonly (readonly [string, string])[]> {
  const entries = await readdir(RECIPE_DIRECTORY, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(RECIPE_DIRECTORY.length + 1))
    .sort();
  return Promise.all(names.map(async (name) => [name, await hashFile(join(RECIPE_DIRECTORY, name))] as const));
}

export interface BaseInputs {
  readonly suite: string;
  /** Instead of the recipe's. */
  readonly packages?: readonly string[] | undefined;
}

/**
 * The key of the expensive part (root.erofs, kernel, modules): recipe and suite. Mirrors and proxies are left out: they
 * change where packages come from, not which.
 */
export async function baseKey({ suite, packages }: BaseInputs): Promise<string> {
  return digest([
    BUILDER_VERSION,
    suite,
    KERNEL_PACKAGE,
    EROFS_CLUSTER_BYTES,
    DPKG_OPTIONS,
    BOOT_MODULES,
    await recipeFiles(),
    ...(packages === undefined ? [] : [packages]),
  ]);
}

/** The key of a whole image: its base and the agent in its initrd. 64 hex digits. */
export async function imageKey(inputs: BaseInputs & { readonly agentBinary: string }): Promise<string> {
  const [base, agent] = await Promise.all([baseKey(inputs), hashFile(inputs.agentBinary)]);
  return digest([base, agent]);
}
