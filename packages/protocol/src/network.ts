import { z } from "zod";
import { EnvironmentId, EnvironmentName, NetworkId } from "./ids.ts";

/**
 * What an environment may reach. Whatever a policy allows, the server's own bounds stand above it: an environment never
 * reaches its host, a cloud's metadata service, another environment that is not in the same shared network, or an address
 * that is not globally reachable (RFC 6890). IPv4 alone; IPv6 is off.
 */

/**
 * IPv4 that no policy lets an environment reach: what IANA's registry of special-purpose addresses (RFC 6890 and its updates) has as
 * not globally reachable or as deprecated, multicast and what is reserved. As in `rust/host/src/network/ceiling.rs`.
 */
export const SPECIAL_RANGES: readonly string[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

/** What the operator's exceptions do not open either: the host, where clouds answer their own machines, denied names, multicast. */
export const NEVER_OPENED_RANGES: readonly string[] = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "100.100.100.200/32",
  "192.0.0.0/24",
  // Azure's own services towards its machines: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
  "168.63.129.16/32",
  "198.18.0.0/15",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

const OCTET = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const CIDR = new RegExp(`^(${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET})/(3[0-2]|[12]?\\d)$`);
/** RFC 1035, 2.3.4 and RFC 5890: labels of letters, digits and hyphens, in their ASCII form. */
const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const DOMAIN = new RegExp(`^(?:\\*\\.)?(?:${LABEL}\\.)+${LABEL}$`);

/** An IPv4 address as a number. */
export const addressNumber = (dotted: string): number =>
  dotted.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);

function hasHostBits(cidr: string): boolean {
  const [, address = "", prefix = ""] = CIDR.exec(cidr) ?? [];
  return addressNumber(address) % 2 ** (32 - Number(prefix)) !== 0;
}

/** `203.0.113.0/24`; an address alone is one of /32. */
export const Cidr = z
  .string()
  .max(18)
  .overwrite((text) => (text.includes("/") ? text : `${text}/32`))
  .refine((text) => CIDR.test(text), "must be an IPv4 address or range, such as 203.0.113.0/24")
  .refine((text) => !CIDR.test(text) || !hasHostBits(text), "must be the first address of its range: 203.0.113.0/24");

/** `example.com`, or `*.example.com` for every name below it (and not itself). */
const Domain = z
  .string()
  .max(253)
  .toLowerCase()
  .overwrite((text) => text.replace(/\.$/, ""))
  .refine((text) => DOMAIN.test(text), "must be a domain such as example.com or *.example.com")
  .refine((text) => !/^[\d.]+$/.test(text), "must be a domain, and not an address");

const Port = z.number().int().min(1).max(65_535);
/** Empty or absent: every port of a range of addresses; 80 and 443 of a domain. */
const ports = z.array(Port).max(32).optional();
/** Absent: every protocol of a range without ports; TCP where there are ports or a domain. */
const protocol = z.enum(["tcp", "udp"]).optional();
/** Absent: for as long as the environment lives. */
const expiresAt = z.iso.datetime().optional();

export const AllowRule = z.union([
  z.strictObject({ cidr: Cidr, protocol, ports, expiresAt }),
  z.strictObject({ domain: Domain, protocol, ports, expiresAt }),
]);
export type AllowRule = z.infer<typeof AllowRule>;

/** Of one environment's allowlist. */
export const MAX_ALLOW_RULES = 64;

/**
 * `none`: nothing. `open`: everything that is globally reachable. `allowlist`: what a rule names. A domain allows the
 * addresses that its name server answers with, and so whatever else lives at these.
 */
export const NetworkPolicy = z.discriminatedUnion("mode", [
  z.strictObject({ mode: z.literal("none") }),
  z.strictObject({ mode: z.literal("open") }),
  z.strictObject({ mode: z.literal("allowlist"), allow: z.array(AllowRule).max(MAX_ALLOW_RULES) }),
]);
export type NetworkPolicy = z.infer<typeof NetworkPolicy>;

export const NetworkMode = z.enum(["none", "open", "allowlist"]);
export type NetworkMode = z.infer<typeof NetworkMode>;

/** Attempts of one kind that were refused. */
export const NetworkDenial = z.strictObject({
  /** What was asked for, where it was a name; a hostile guest's word. */
  name: z.string().nullable(),
  /** Null where the name was refused, so that it has none. */
  address: z.string().nullable(),
  protocol: z.enum(["tcp", "udp", "icmp", "other"]),
  /** Null where the protocol has none. A guest may try port 0 as well, which no rule can allow. */
  port: z.number().int().min(0).max(65_535).nullable(),
  /** Packets, which are more than attempts. */
  count: z.number().int(),
  /** `bounds`: no policy can allow it. */
  by: z.enum(["policy", "bounds"]),
});
export type NetworkDenial = z.infer<typeof NetworkDenial>;

const Traffic = z.strictObject({ bytes: z.number().int(), packets: z.number().int() });

const Connections = z.strictObject({
  /** Tracked now, with those that have ended and are remembered for a while (TCP's for two minutes), and those that others of its shared network have opened. Null: the host does not say. */
  tracked: z.number().int().nullable(),
  /** That its guest has opened since its machine was made. Null: the host did not count them then. */
  opened: z.number().int().nullable(),
  /** Packets that were refused since then because a limit was reached. */
  exceeded: z.number().int(),
  /** Of what its guest opens: at a time, and new ones a second. */
  limits: z.strictObject({ open: z.number().int(), newPerSecond: z.number().int() }),
});

export const NetworkStatus = z.strictObject({
  /** Null: it has no network interface. */
  policy: NetworkPolicy.nullable(),
  /** Since its machine was made; null while it has none, or where nothing is counted. */
  traffic: z.strictObject({ sent: Traffic, received: Traffic }).nullable(),
  /** Beside what it may have of them; null where there is no such limit, and while it has no machine. */
  connections: Connections.nullable(),
});
export type NetworkStatus = z.infer<typeof NetworkStatus>;

/** A network that environments of one owner share. Members reach each other under any policy, by address and by name. */
export const SharedNetwork = z.strictObject({
  id: NetworkId,
  name: EnvironmentName,
  members: z.array(
    z.strictObject({
      id: EnvironmentId,
      name: EnvironmentName,
      /** Null while it does not run. */
      address: z.string().nullable(),
    }),
  ),
  createdAt: z.iso.datetime(),
});
export type SharedNetwork = z.infer<typeof SharedNetwork>;

export const CreateNetwork = z.strictObject({ name: EnvironmentName });
export type CreateNetwork = z.infer<typeof CreateNetwork>;

/** By name or id. */
export const JoinNetwork = z.strictObject({ network: z.string().regex(/^[a-z0-9-]{1,32}$/) });
export type JoinNetwork = z.infer<typeof JoinNetwork>;

/** Networks of one owner, and members of one network. */
export const MAX_NETWORKS = 64;
export const MAX_MEMBERS = 64;
