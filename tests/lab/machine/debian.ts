import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { modulesInOrder } from "../../../packages/images/src/debian/modules.ts";
import { type CpioEntry, writeCpio } from "../../../packages/images/src/formats/cpio.ts";
import { extractElfKernel } from "../../../packages/images/src/formats/kernel.ts";
import { keepNewest, touch } from "../../../packages/setup/src/build/build.ts";
import { bootstrapDebian, sourcesOf } from "../../../support/debian-bootstrap.ts";

export const SUITE = "trixie";
const KERNEL_PACKAGE = "linux-image-cloud-amd64";
/** What microterm needs of a host, what its tests ask, and the initrd's programs. */
const PACKAGES = [
  ...[
    "qemu-system-x86",
    "bubblewrap",
    "mmdebstrap",
    "erofs-utils",
    "e2fsprogs",
    "util-linux",
    "uidmap",
    "passwd",
    "mount",
  ],
  ...["kmod", "iproute2", "nftables", "procps", "git", "openssl", "busybox-static"],
];
/** What stands between the kernel and its root. */
const MODULES = ["virtio_pci", "virtio_blk", "virtio_console", "erofs", "ext4", "overlay"];
/** Several checkouts may share a cache. */
const KEPT = 3;
const EMPTY_FOLDERS = ["bin", "debian", "dev", "modules", "proc", "root", "scratch"];
const INITRD_INIT = join(import.meta.dirname, "inside/initrd.sh");
const HOOK = join(import.meta.dirname, "debian.sh");

/** The lab's Debian. */
export interface Debian {
  readonly kernel: string;
  readonly root: string;
  /** Its programs and modules, for {@link buildInitrd}. */
  readonly busybox: string;
  readonly modules: string;
}

/** Made once (a minute), then kept in `cache`. A string says that its packages cannot be had here. */
export async function obtainDebian(cache: string): Promise<Debian | string> {
  const parts = [SUITE, KERNEL_PACKAGE, PACKAGES, MODULES, await readFile(HOOK, "utf8")];
  const key = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
  const folder = join(cache, key);
  const debian = {
    kernel: join(folder, "vmlinuz"),
    root: join(folder, "root.erofs"),
    busybox: join(folder, "busybox"),
    modules: join(folder, "boot-modules"),
  };
  if (existsSync(folder)) {
    touch(folder);
    return debian;
  }
  await mkdir(cache, { recursive: true });
  const staged = await mkdtemp(join(cache, "new-"));
  try {
    const quoted = [HOOK, staged].map((path) => `'${path.replaceAll("'", "'\\''")}'`);
    const hook = `sh ${quoted[0]} "$1" ${quoted[1]} ${KERNEL_PACKAGE}`;
    const unreached = await bootstrapDebian({
      sources: await sourcesOf(SUITE),
      packages: PACKAGES,
      target: staged,
      hook,
    });
    if (unreached !== null) return unreached;
    await takeKernel(staged);
    await rename(staged, folder).catch((error: unknown) => {
      // Another run was faster.
      if (!existsSync(folder)) throw error;
    });
    keepNewest(cache, KEPT);
    return debian;
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

/** Unpacks the kernel, which emulated code would take seconds for, and keeps of its modules those that boot. */
async function takeKernel(staged: string): Promise<void> {
  const bzImage = await readFile(join(staged, "bzImage"));
  await writeFile(join(staged, "vmlinuz"), extractElfKernel(bzImage) ?? bzImage);
  const tree = join(staged, "modules");
  const [dep, builtin] = await Promise.all([
    readFile(join(tree, "modules.dep"), "utf8"),
    readFile(join(tree, "modules.builtin"), "utf8"),
  ]);
  const target = join(staged, "boot-modules");
  await mkdir(target);
  const names: string[] = [];
  for (const path of modulesInOrder({ wanted: MODULES, dep, builtin })) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    names.push(name);
    await rename(join(tree, path), join(target, name));
  }
  await writeFile(join(target, "order"), `${names.join("\n")}\n`);
  await Promise.all(["bzImage", "modules"].map((name) => rm(join(staged, name), { recursive: true })));
}

/** The initrd: busybox, the modules, and a script. */
export async function buildInitrd({ busybox, modules }: Debian): Promise<Buffer> {
  const order = await readFile(join(modules, "order"), "utf8");
  const file = async (name: string, from: string, mode: number) =>
    ({ type: "file", name, mode, data: await readFile(from) }) as const;
  const entries: CpioEntry[] = [
    ...EMPTY_FOLDERS.map((name) => ({ type: "directory", name, mode: 0o755 }) as const),
    // Without it PID 1 starts with no stdin, stdout and stderr (the kernel's init/main.c, console_on_rootfs).
    { type: "character", name: "dev/console", mode: 0o600, major: 5, minor: 1 },
    await file("init", INITRD_INIT, 0o755),
    await file("bin/busybox", busybox, 0o755),
    await file("modules/order", join(modules, "order"), 0o644),
  ];
  for (const name of order.split("\n").filter(Boolean)) {
    entries.push(await file(`modules/${name}`, join(modules, name), 0o644));
  }
  return writeCpio(entries);
}
