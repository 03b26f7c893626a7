/** How many times what a host has may be promised to environments: `--overcommit cpu=16,memory=2,disk=1`. */
export interface Overcommit {
  readonly cpu: number;
  readonly memory: number;
  readonly disk: number;
}

/**
 * Most terminals wait for their person, so that processors can be promised many times; OpenStack Nova promises them 16 times too.
 * Few programs use all their memory; where all do, the kernel ends the largest. A disk that is promised once cannot be filled by all
 * together.
 */
export const DEFAULT_OVERCOMMIT: Overcommit = { cpu: 16, memory: 2, disk: 1 };

/** A cluster's scheduler gives each pod what it asks for, once, until the operator says otherwise of CPUs. */
export const CLUSTER_OVERCOMMIT: Overcommit = { cpu: 1, memory: 1, disk: 1 };

export const defaultOvercommit = (driver: string): Overcommit =>
  driver === "kubernetes" ? CLUSTER_OVERCOMMIT : DEFAULT_OVERCOMMIT;

/** What one that can be had of a cluster is: pods are held to their memory and their volumes, and get what others leave of CPUs. */
export const isOfCluster = ({ memory, disk }: Overcommit): boolean => memory === 1 && disk === 1;
export const CPUS_ALONE = "a cluster can promise CPUs alone more than once, by cpu=4 for example";

const LARGEST = 100;

/** What is not named is the base's. Null where the text is none. */
export function parseOvercommit(text: string, base: Overcommit = DEFAULT_OVERCOMMIT): Overcommit | null {
  const found: Record<string, number> = {};
  for (const part of text.split(",")) {
    const [, name, digits] = /^(cpu|memory|disk)=(\d{1,3}(?:\.\d{1,2})?)$/.exec(part) ?? [];
    if (name === undefined || name in found || Number(digits) < 1 || Number(digits) > LARGEST) return null;
    found[name] = Number(digits);
  }
  return { ...base, ...found };
}

export const formatOvercommit = ({ cpu, memory, disk }: Overcommit): string =>
  `cpu=${cpu},memory=${memory},disk=${disk}`;
