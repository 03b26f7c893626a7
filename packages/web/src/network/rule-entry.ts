import { AllowRule, addressNumber } from "@microterm/protocol";
import { portsWords, targetOf } from "./policy-words.ts";

/** What a person has entered. */
export interface RuleEntry {
  readonly target: string;
  readonly ports: string;
  /** Empty: what is usual for the target. */
  readonly protocol: "" | "tcp" | "udp";
  /** 0: for good. */
  readonly seconds: number;
}

export interface EntryFault {
  readonly field: "target" | "ports";
  readonly message: string;
}

const EXAMPLES = "a domain such as example.com or *.example.com, or an address such as 203.0.113.7 or 203.0.113.0/24";
const MOST_PORTS = 32;

export const isAddress = (target: string): boolean => /^[\d./]+$/.test(target.trim());

/** The first address of the range that an address is in. */
function firstOf(range: string): string {
  const [address = "", prefix = ""] = range.split("/");
  const size = 2 ** (32 - Number(prefix));
  const first = Math.floor(addressNumber(address) / size) * size;
  return `${[24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join(".")}/${prefix}`;
}

function targetFault(target: string): string {
  if (target === "") return `Enter ${EXAMPLES}.`;
  if (/^[a-z]+:\/\//i.test(target)) return "Enter the domain alone, without what stands before and after it in a URL.";
  if (/^[\da-f]*:[\da-f:.]*(\/\d+)?$/i.test(target)) return "IPv6 is off: enter an IPv4 address.";
  const first = /^[\d.]+\/\d+$/.test(target) ? firstOf(target) : "";
  if (first !== target && AllowRule.safeParse({ cidr: first }).success) {
    return `${target} is not the first address of its range: enter ${first}.`;
  }
  return `“${target}” is neither: enter ${EXAMPLES}.`;
}

function readPorts(text: string): readonly number[] | string {
  const parts = text.split(/[\s,]+/).filter((part) => part !== "");
  const wrong = parts.find((part) => !/^\d{1,5}$/.test(part) || Number(part) < 1 || Number(part) > 65_535);
  if (wrong !== undefined) return `“${wrong}” is no port: enter numbers from 1 to 65535, with commas between them.`;
  if (parts.length > MOST_PORTS) return `A rule has ${MOST_PORTS} ports at most: add another rule for the rest.`;
  return [...new Set(parts.map(Number))];
}

/** The rule that was entered, or what is wrong with it. `example.com:443` is a target with its ports. */
export function readRule({ target, ports, protocol, seconds }: RuleEntry, now: number): AllowRule | EntryFault {
  const entered = target.trim();
  const [, host = entered, own = ""] = (ports.trim() === "" && /^([^:]+):([\d,]+)$/.exec(entered)) || [];
  const read = readPorts(own === "" ? ports : own);
  const parsed = AllowRule.safeParse({
    ...(isAddress(host) ? { cidr: host } : { domain: host }),
    ...(protocol === "" ? {} : { protocol }),
    ...(typeof read === "string" || read.length === 0 ? {} : { ports: read }),
    ...(seconds === 0 ? {} : { expiresAt: new Date(now + seconds * 1000).toISOString() }),
  });
  if (!parsed.success) return { field: "target", message: targetFault(host) };
  return typeof read === "string" ? { field: own === "" ? "ports" : "target", message: read } : parsed.data;
}

export const isFault = (read: AllowRule | EntryFault): read is EntryFault => "message" in read;

/** What a rule would allow, in a sentence. */
export const allowWords = (rule: AllowRule): string => {
  const at = `Allows ${targetOf(rule)}: ${portsWords(rule)}.`;
  return "cidr" in rule ? at : `${at} Whatever else lives at its addresses is allowed with it.`;
};
