import { join } from "node:path";
import { DPKG_OPTIONS, EROFS_CLUSTER_BYTES, KERNEL_PACKAGE } from "../recipe.ts";
import type { AptSources } from "./apt-sources.ts";

/** What mmdebstrap's hooks leave in the output folder. */
export const BASE_OUTPUT = { kernel: "bzImage", version: "version", modules: "modules", root: "root.erofs" } as const;

/** For a shell line in single quotes; paths come from mkdtemp and the caller. */
const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * Runs a command so that SIGTERM ends everything it has started: mmdebstrap alone would wait for its children, and they
 * would go on for a minute. The runner makes it the leader of its process group, and sends it SIGTERM when the builder
 * dies, however it dies. What is not gone after 5 s is killed.
 */
const ENDS_AS_A_WHOLE = `"$@" & child=$!
trap 'trap "" TERM; kill -TERM 0; (sleep 5; kill -KILL 0) & wait $child; kill -KILL 0' TERM
wait $child`;

/**
 * mmdebstrap as root mounts /proc, /sys and more where the host can see them, and leaves them there when it is killed. In
 * a mount namespace of the build's own they go with its last process. (Without root it makes a namespace itself.)
 */
const OWN_MOUNTS = ["unshare", "--mount", "--propagation", "private", "--"] as const;

/**
 * The command that makes the base. Root builds as root; anybody else in a user namespace with subordinate ids (--mode of
 * mmdebstrap(1)), where the same owners and file capabilities result.
 *
 * The root is packed into an erofs by a hook, that is by somebody who sees its owners right, and leaves by copy-out, that
 * is written by the caller: so the result is the caller's in both modes.
 */
export function baseCommand(options: {
  readonly sources: AptSources;
  readonly packages: readonly string[];
  readonly aptOptions: readonly string[];
  /** A copy of the recipe where the user namespace can read it. */
  readonly recipe: string;
  readonly output: string;
  readonly isRoot: boolean;
}): readonly string[] {
  const { sources, recipe } = options;
  const script = ["sh", join(recipe, "customize.sh")].map(quote).join(" ");
  const inside = Object.values(BASE_OUTPUT).map((name) => `/.microterm/out/${name}`);
  return [
    ...(options.isRoot ? OWN_MOUNTS : []),
    ...["sh", "-c", ENDS_AS_A_WHOLE, "sh"],
    "mmdebstrap",
    `--mode=${options.isRoot ? "root" : "unshare"}`,
    "--variant=minbase",
    "--format=null",
    "--verbose",
    `--include=${options.packages.join(",")}`,
    ...options.aptOptions.map((option) => `--aptopt=${option}`),
    ...DPKG_OPTIONS.map((option) => `--dpkgopt=${option}`),
    `--customize-hook=${script} "$1" ${quote(recipe)} ${KERNEL_PACKAGE} ${quote(sources.suite)}`,
    `--customize-hook=copy-out ${inside.join(" ")} ${quote(options.output)}`,
    sources.suite,
    "/dev/null",
    ...sources.lines,
  ];
}

/**
 * What the recipe's script reads.
 *
 * @param uuid the file system's, so that equal builds are equal.
 */
export function baseEnvironment(options: {
  readonly uuid: string;
  readonly scratch: string;
  readonly host: Readonly<Record<string, string | undefined>>;
}): Record<string, string> {
  return {
    PATH: `${options.host.PATH ?? ""}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: options.host.HOME ?? "/",
    LC_ALL: "C.UTF-8",
    TMPDIR: options.scratch,
    EROFS_CLUSTER: String(EROFS_CLUSTER_BYTES),
    EROFS_UUID: options.uuid,
  };
}
