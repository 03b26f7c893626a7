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

const LARGEST = 100;

/** What is not named is the default's. Null where the text is none. */
export function parseOvercommit(text: string): Overcommit | null {
  const found: Record<string, number> = {};
  for (const part of text.split(",")) {
    const [, name, digits] = /^(cpu|memory|disk)=(\d{1,3}(?:\.\d{1,2})?)$/.exec(part) ?? [];
    if (name === undefined || name in found || Number(digits) < 1 || Number(digits) > LARGEST) return null;
    found[name] = Number(digits);
  }
  return { ...DEFAULT_OVERCOMMIT, ...found };
}

export const formatOvercommit = ({ cpu, memory, disk }: Overcommit): string =>
  `cpu=${cpu},memory=${memory},disk=${disk}`;
