import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type CpioEntry, writeCpio } from "./formats/cpio.ts";

const EMPTY_DIRECTORIES = ["dev", "proc", "sys", "base", "disk", "root.new", "modules"];

/**
 * The initrd of docs/reference/guest-boot.md: the agent as /init, and the modules it loads.
 *
 * It is not compressed: 2 MB are read by QEMU in a millisecond, and unpacked by the guest in emulated code.
 *
 * @param options.modules a folder with `order` and the files that it names.
 */
export async function buildInitrd(options: {
  readonly agentBinary: string;
  readonly modules: string;
}): Promise<Buffer> {
  const order = await readFile(join(options.modules, "order"));
  const names = order.toString().split("\n").filter(Boolean);
  const [agent, ...modules] = await Promise.all([
    readFile(options.agentBinary),
    ...names.map((name) => readFile(join(options.modules, name))),
  ]);
  const entries: CpioEntry[] = [
    ...EMPTY_DIRECTORIES.map((name) => ({ type: "directory", name, mode: 0o755 }) as const),
    // Without it PID 1 starts with no stdin, stdout and stderr (the kernel's init/main.c, console_on_rootfs).
    { type: "character", name: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { type: "file", name: "init", mode: 0o755, data: agent },
    { type: "file", name: "modules/order", mode: 0o644, data: order },
    ...names.map((name, index) => {
      const data = modules[index] as Buffer;
      return { type: "file", name: `modules/${name}`, mode: 0o644, data } as const;
    }),
  ];
  return writeCpio(entries);
}
