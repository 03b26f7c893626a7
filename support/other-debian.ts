import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { findAptSources } from "@microterm/images";
import { bootstrapDebian, sourcesOf } from "./debian-bootstrap.ts";
import { testCache } from "./test-image.ts";

/** What microterm-host runs. */
const PACKAGES = ["qemu-system-x86", "bubblewrap", "e2fsprogs"];

export interface OtherDebian {
  readonly suite: string;
  /** A whole root file system of that release. */
  readonly root: string;
}

/**
 * The Debian release that this host is not, with QEMU: made once (half a minute, 250 MB), then kept beside the images. A string says
 * that its packages cannot be had here.
 */
export async function otherDebian(): Promise<OtherDebian | string> {
  const suite = (await findAptSources()).suite === "trixie" ? "bookworm" : "trixie";
  const key = createHash("sha256")
    .update(JSON.stringify([suite, PACKAGES]))
    .digest("hex")
    .slice(0, 16);
  const above = join(testCache(), "roots");
  const root = join(above, `${suite}-${key}`);
  if (existsSync(root)) return { suite, root };
  await mkdir(above, { recursive: true });
  const staged = await mkdtemp(join(above, "new-"));
  const unreached = await bootstrapDebian({
    sources: await sourcesOf(suite),
    packages: PACKAGES,
    target: staged,
  }).catch(async (error: unknown) => {
    await rm(staged, { recursive: true, force: true });
    throw error;
  });
  if (unreached !== null) {
    await rm(staged, { recursive: true, force: true });
    return unreached;
  }
  await rename(staged, root).catch(async (error: unknown) => {
    await rm(staged, { recursive: true, force: true });
    // Another run was faster.
    if (!existsSync(root)) throw error;
  });
  return { suite, root };
}

/**
 * Runs a command in the other release, which it finds as `/`, with the host's devices, processes and cgroups, and with these folders
 * at their own paths. Nothing is written to the root: what changes lies in memory and goes with the last process.
 *
 * @param hidden paths of the root that are not to be there.
 */
export function inOtherDebian(
  { root }: OtherDebian,
  options: { readonly scratch: string; readonly folders: readonly string[]; readonly hidden?: readonly string[] },
  command: readonly string[],
): readonly string[] {
  const { scratch, folders, hidden = [] } = options;
  const script = `set -e
    root=$1 scratch=$2 folders=$3 hidden=$4; shift 4
    mount -t tmpfs none "$scratch"; mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
    mount -t overlay -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" none "$scratch/root"
    for one in $hidden; do rm "$scratch/root$one"; done
    for one in /proc /sys /dev /run $folders; do mkdir -p "$scratch/root$one"; mount --rbind "$one" "$scratch/root$one"; done
    exec chroot "$scratch/root" "$@"`;
  const own = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script, "sh"];
  return [...own, root, scratch, folders.join(" "), hidden.join(" "), ...command];
}
