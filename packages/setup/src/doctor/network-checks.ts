import { existsSync } from "node:fs";
import { type HostAnswer, runCommand } from "@microterm/host";
import { plainText } from "@microterm/protocol";
import { z } from "zod";
import { type DataPaths, instanceName } from "../data/paths.ts";
import { SHOWN } from "../progress.ts";
import { type Check, type CheckFunction, fail, ok, read, version, warn } from "./check.ts";

/** Where microterm-host looks for nft; an ordinary user's PATH lacks half of them. */
const PROGRAMS = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/** capabilities(7), by their bits. */
const NEEDED = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21 } as const;
/** Of rules: a host of many services has thousands. */
const TAIL_BYTES = 8 * 1024 * 1024;
const WITHOUT = "guests have their loopback alone";

const program = (name: string): string | null =>
  PROGRAMS.map((folder) => `${folder}/${name}`).find((path) => existsSync(path)) ?? null;

async function nft(): Promise<Check> {
  const path = program("nft");
  if (path === null) return warn("nft", `not installed: ${WITHOUT}`, "apt-get install nftables");
  return ok("nft", (await version(path, "-v")) ?? path);
}

async function tun(): Promise<Check> {
  if (existsSync("/dev/net/tun")) return ok("tun", "/dev/net/tun is there");
  return warn(
    "tun",
    `there is no /dev/net/tun: ${WITHOUT}`,
    "modprobe tun, or in a container: pass the device /dev/net/tun on to it",
  );
}

/** Whether a root of this host, or of the container that this is, may do it: the bounding set is all that sudo can give. */
async function privileges(): Promise<Check> {
  const missing = missingCapabilities(read("/proc/self/status") ?? "");
  if (missing.length === 0) return ok("privileges", "root may make network namespaces, links and rules here");
  return warn(
    "privileges",
    `root has no ${missing.join(" and no ")} here: ${WITHOUT}`,
    `run it outside of the container, or give that ${missing.join(" and ")}`,
  );
}

export function missingCapabilities(status: string): readonly string[] {
  const bounding = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return Object.entries(NEEDED).flatMap(([name, bit]) => ((bounding >> BigInt(bit)) & 1n ? [] : [name]));
}

async function uplink(): Promise<Check> {
  const device = defaultDevice(read("/proc/net/route") ?? "");
  if (device !== null) return ok("uplink", `the default route goes by ${plainText(device, SHOWN)}`);
  return warn(
    "uplink",
    "there is no default route: guests reach nothing until there is one",
    "add one, or name the device: ./microterm up --uplink eth0",
  );
}

/** RTF_UP and RTF_REJECT of `linux/route.h`. */
const [UP, REJECT] = [0x1, 0x200];

/** The device of the default route that is used, of `/proc/net/route`. */
export function defaultDevice(table: string): string | null {
  const routes = table.split("\n").map((line) => line.trim().split(/\s+/));
  const defaults = routes.filter(([, to, , flags = "", , , , mask]) => {
    const bits = Number.parseInt(flags, 16);
    return to === "00000000" && mask === "00000000" && (bits & UP) !== 0 && (bits & REJECT) === 0;
  });
  const metric = (route: readonly string[]): number => Number(route[6]);
  return defaults.sort((one, other) => metric(one) - metric(other))[0]?.[0] ?? null;
}

/** Rules of others see what guests send, too. Docker and ufw have what is forwarded dropped, but for exceptions. */
async function firewall(paths: DataPaths): Promise<Check> {
  const path = program("nft");
  if (path === null) return ok("firewall", "not looked at without nft");
  const list = async (...args: readonly string[]) => runCommand([path, ...args], { tailBytes: TAIL_BYTES });
  const { code, stdout } = await list("-j", "list", "chains");
  if (code !== 0) {
    return warn(
      "firewall",
      "only root can read the rules: whether others drop what guests send was not looked at",
      "sudo nft list chains, and an exception where a chain with 'hook forward' has 'policy drop'",
    );
  }
  const instance = existsSync(paths.data) ? instanceName(paths.data) : null;
  const link = instance === null ? null : `mt-${instance}`;
  const chains = listedChains(stdout);
  if (hasDevice(link) && !chains.some(({ table }) => table === `microterm-${instance}`)) {
    return fail(
      "firewall",
      `something has removed the rules of ip microterm-${instance}: guests may reach this host at its public addresses`,
      "./microterm up, whose daemon makes them again",
    );
  }
  for (const chain of chains.filter(isDropping)) {
    const rules = (await list("list", "table", chain.family, chain.table)).stdout;
    if (link !== null && hasExceptions(rules, link)) continue;
    const where = plainText(`${chain.family} ${chain.table} ${chain.name}`, SHOWN);
    return warn(
      "firewall",
      `${where} drops what is forwarded, and with it what guests send`,
      exceptionFor(chain, rules, link),
    );
  }
  if (read("/proc/net/ip_tables_names")?.split("\n").includes("filter")) {
    return warn(
      "firewall",
      "iptables' older tables are in use, which nft does not show",
      "iptables-legacy -S FORWARD, and an exception for mt-INSTANCE where its policy is DROP",
    );
  }
  return ok("firewall", "no rules of others drop all that is forwarded");
}

/** In this network namespace; /sys may show another one's. */
const hasDevice = (name: string | null): boolean =>
  (read("/proc/net/dev") ?? "").split("\n").some((line) => line.trim().startsWith(`${name}:`));

const Chain = z.object({
  ...{ family: z.string(), table: z.string(), name: z.string() },
  ...{ hook: z.string().optional(), policy: z.string().optional() },
});
type Chain = z.infer<typeof Chain>;
const Listed = z.object({ nftables: z.array(z.object({ chain: Chain.optional() })) });

/** Chains of all tables, of `nft -j list chains`. */
export const listedChains = (json: string): readonly Chain[] =>
  Listed.parse(JSON.parse(json)).nftables.flatMap(({ chain }) => (chain === undefined ? [] : [chain]));

/** Whether IPv4 that is forwarded goes through it, and it drops what no rule accepts. */
export const isDropping = ({ family, hook, policy }: Chain): boolean =>
  (family === "ip" || family === "inet") && hook === "forward" && policy === "drop";

/** Whether rules name the link to the guests, both ways. */
function hasExceptions(rules: string, link: string): boolean {
  const names = [link, "mt-*"];
  return ["iifname", "oifname"].every((match) => names.some((name) => rules.includes(`${match} "${name}"`)));
}

function exceptionFor({ family, table, name }: Chain, rules: string, link: string | null): string {
  const device = link ?? "mt-INSTANCE";
  // Docker leaves this chain to the operator, also when it starts again.
  if (/chain DOCKER-USER \{/.test(rules)) {
    return `iptables -I DOCKER-USER -i ${device} -j ACCEPT && iptables -I DOCKER-USER -o ${device} -j ACCEPT`;
  }
  const insert = (match: string) => `nft insert rule ${family} ${table} ${name} ${match} ${device} accept`;
  return `${insert("iifname")} && ${insert("oifname")}`;
}

/** What the daemon says that runs. */
export function networkOf(status: HostAnswer<"network.status">): Check {
  const { isAvailable, reason, uplink: device, range, freeSlots, attachedSlots } = status;
  if (!isAvailable) {
    const why = plainText(reason ?? "microterm-host was started without", SHOWN);
    return warn("networks", `${WITHOUT}: ${why}`, "what fails above, then ./microterm down && ./microterm up");
  }
  const said = `slots of ${range}, ${attachedSlots} in use and ${freeSlots} ready; uplink ${plainText(device ?? "not there", SHOWN)}`;
  if (device !== null) return ok("networks", said);
  return warn("networks", `${said}: guests reach nothing`, "bring it up: it is found within seconds");
}

export const NETWORK_CHECKS: readonly CheckFunction[] = [nft, tun, privileges, uplink, firewall];
