import { readFileSync } from "node:fs";
import type { QemuServer } from "../support/qemu-server.ts";
import type { Figure } from "./figures.ts";

/** Of a process, MB, by smaps_rollup and smaps of proc(5). */
interface MemoryUse {
  /** What it alone holds. */
  readonly unique: number;
  /** With its share of what others hold as well. */
  readonly proportional: number;
  /** The same without its guest's memory. */
  readonly monitor: number;
}

const MB = 1000;
/** In a file of smaps, of one mapping or of all. */
const sum = (text: string, field: string): number =>
  [...text.matchAll(new RegExp(`^${field}:\\s+(\\d+) kB$`, "gm"))].reduce((kb, [, value]) => kb + Number(value), 0) /
  MB;

function memoryUse(pid: number): MemoryUse {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const mappings = readFileSync(`/proc/${pid}/smaps`, "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  // A restored guest's is the largest, of a file; the kernel may have split it.
  const largest = mappings.toSorted((one, other) => sum(other, "Size") - sum(one, "Size"))[0] ?? "";
  const guest = nameOf(largest);
  const others = mappings.filter((mapping) => nameOf(mapping) !== guest);
  return {
    unique: sum(rollup, "Private_\\w+"),
    proportional: sum(rollup, "Pss"),
    monitor: others.reduce((mb, mapping) => mb + sum(mapping, "Pss"), 0),
  };
}

/** The sixth field of a mapping's first line. */
const nameOf = (mapping: string): string => mapping.split("\n", 1)[0]?.split(/\s+/).slice(5).join(" ") ?? "";

const parentOf = (pid: number): number =>
  Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

interface Clones {
  readonly environment: string;
  /** The pid of a bare VMM with the same guest. */
  readonly bare: number;
}

/** What an idle restored machine takes of the host, beside a bare one of the same template. */
export async function measureClones(world: QemuServer, clones: Clones): Promise<readonly Figure[]> {
  const { machines } = await world.daemon.client.list();
  const machine = machines.find(({ environment }) => environment === clones.environment);
  if (machine?.pid == null)
    throw new Error(`environment ${clones.environment} has no machine: ${JSON.stringify(machines)}`);
  const isFirecracker = machine.vmm === "firecracker";
  const [product, floor] = [memoryUse(machine.pid), memoryUse(clones.bare)];
  const mb = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} MB`;
  const figures: Figure[] = [
    {
      name: "private memory of an idle restored machine",
      figure: mb(product.unique),
      floor: `${mb(floor.unique)} of a bare clone`,
      ratio: `${(product.unique / floor.unique).toFixed(2)} ×`,
      target: "≤ 1.1 ×",
    },
    {
      name: "the same with its share of what is shared (PSS)",
      figure: mb(product.proportional),
      floor: mb(floor.proportional),
      target: "",
    },
    {
      name: "its VMM without the guest's memory (PSS)",
      figure: mb(product.monitor),
      floor: mb(floor.monitor),
      target: isFirecracker ? "published: ≤ 5 MiB" : "",
    },
  ];
  // Firecracker is the child of its shim, once the jailer has ended.
  if (isFirecracker)
    figures.push({
      name: "the shim beside it (PSS)",
      figure: mb(memoryUse(parentOf(machine.pid)).proportional),
      target: "",
    });
  return figures;
}
