/**
 * The kernel modules a guest needs before it has a root file system, whichever VMM it runs on. What the kernel has built in
 * is left out.
 *
 * `virtio_mmio` finds its devices by ACPI (LNRO0005) alone: Debian's kernel has no CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES.
 */
export const BOOT_MODULES = [
  "virtio_mmio",
  "virtio_blk",
  "virtio_console",
  "virtio_rng",
  "virtio_net",
  // The channel of VMMs without virtio-serial. Where there is no such device it is 84 KB of memory, with what it needs.
  "vmw_vsock_virtio_transport",
  "erofs",
  "overlay",
  "ext4",
] as const;

/** A module's name is its file's without folder and suffix, with `_` for `-` (modprobe(8)). */
export function moduleName(path: string): string {
  const file = path.slice(path.lastIndexOf("/") + 1);
  return file.replace(/\.ko(\.(xz|zst|gz))?$/, "").replaceAll("-", "_");
}

/** modules.dep(5): module path → paths of all that must be loaded first, the last named first of all. */
export function parseModulesDep(text: string): ReadonlyMap<string, readonly string[]> {
  const dependencies = new Map<string, readonly string[]>();
  for (const line of text.split("\n")) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    if (colon < 1) throw new RangeError(`modules.dep: no module in ${JSON.stringify(line)}`);
    dependencies.set(
      line.slice(0, colon),
      line
        .slice(colon + 1)
        .split(" ")
        .filter(Boolean),
    );
  }
  return dependencies;
}

/**
 * The paths to load for the wanted modules, dependencies first, none twice.
 *
 * @param options.builtin the text of modules.builtin: what needs no loading.
 * @throws RangeError for a module that the kernel has neither as a file nor built in.
 */
export function modulesInOrder(options: {
  readonly wanted: readonly string[];
  readonly dep: string;
  readonly builtin: string;
}): readonly string[] {
  const dependencies = parseModulesDep(options.dep);
  const paths = new Map([...dependencies.keys()].map((path) => [moduleName(path), path]));
  const builtin = new Set(options.builtin.split("\n").map(moduleName));
  const order = new Set<string>();
  for (const name of options.wanted) {
    const path = paths.get(name);
    if (path === undefined) {
      if (builtin.has(name)) continue;
      throw new RangeError(`the kernel has no module ${name}`);
    }
    for (const dependency of [...(dependencies.get(path) ?? [])].reverse()) order.add(dependency);
    order.add(path);
  }
  return [...order];
}
