import { BlockList, isIPv4 } from "node:net";
import { NEVER_OPENED_RANGES, SPECIAL_RANGES } from "@microterm/protocol";

/** Whether an address is one that no policy opens. What is no IPv4 address is, too. */
export type IsBeyondCeiling = (address: string) => boolean;

/**
 * `allowPrivate`: CIDRs that the operator lets guests reach. A name's answer never has what is beyond (DNS rebinding), nor what is the
 * network's own, which no exception opens either (`NamePolicy.isOwn`).
 */
export function createCeiling(allowPrivate: readonly string[] = []): IsBeyondCeiling {
  const never = blockListOf(NEVER_OPENED_RANGES);
  const special = blockListOf(SPECIAL_RANGES);
  const exceptions = blockListOf(allowPrivate);
  return (address) =>
    !isIPv4(address) || never.check(address) || (special.check(address) && !exceptions.check(address));
}

function blockListOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = "", prefix] = range.split("/");
    list.addSubnet(address, Number(prefix));
  }
  return list;
}
