import type { PortList } from "@microterm/protocol";

export interface KnownPorts {
  /** Null: not known yet, or not now. */
  readonly list: PortList | null;
  /** Those that began to listen while this page looked on, the last one first. */
  readonly appeared: readonly number[];
  /** Not before the environment is stopped and started again. */
  readonly isUnsupported: boolean;
}

export const NOTHING_KNOWN: KnownPorts = { list: null, appeared: [], isUnsupported: false };

export const withList = (
  { list: before, appeared }: Pick<KnownPorts, "list" | "appeared">,
  list: PortList,
): KnownPorts => {
  const added = before === null ? [] : list.ports.filter((port) => !before.ports.includes(port)).reverse();
  const still = appeared.filter((port) => list.ports.includes(port) && !added.includes(port));
  return { list, appeared: [...added, ...still], isUnsupported: false };
};
