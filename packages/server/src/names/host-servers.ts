import { readFileSync } from "node:fs";
import { isIP } from "node:net";

export interface ServerAddress {
  readonly address: string;
  readonly port: number;
}

const PORT = 53;
/** As many as the C library asks (resolv.conf(5), MAXNS). */
const MAX_SERVERS = 3;
const MAX_BYTES = 65_536;
/** How old what was read may be: the host's network may have changed. */
const MAX_AGE_MS = 5000;

/** The name servers of a resolv.conf(5). Without any, one on this host. */
export function nameServersIn(text: string): readonly ServerAddress[] {
  const servers: ServerAddress[] = [];
  for (const line of text.slice(0, MAX_BYTES).split("\n")) {
    const [keyword, address = ""] = line.trim().split(/\s+/);
    // A link-local IPv6 address has its device behind it.
    if (keyword === "nameserver" && isIP(address.split("%")[0] as string) !== 0) servers.push({ address, port: PORT });
  }
  return servers.length === 0 ? [{ address: "127.0.0.1", port: PORT }] : servers.slice(0, MAX_SERVERS);
}

/** The host's own name servers, as a file says at the time of the call. */
export function hostNameServers(path = "/etc/resolv.conf"): () => readonly ServerAddress[] {
  let servers: readonly ServerAddress[] = nameServersIn("");
  let readAt = Number.NEGATIVE_INFINITY;
  return () => {
    const now = performance.now();
    if (now - readAt < MAX_AGE_MS) return servers;
    readAt = now;
    try {
      servers = nameServersIn(readFileSync(path, "utf8"));
    } catch {
      // It is being replaced, or there is none: what it said before, or what its absence means.
    }
    return servers;
  };
}
