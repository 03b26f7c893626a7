import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";

/**
 * Who listens on a TCP port of this host, for a person: `ttyd (pid 812)`. An ordinary user may look into its own
 * processes only, so null means "unknown". Source: proc(5), /proc/net/tcp and /proc/PID/fd.
 */
export function portOwner(port: number): string | null {
  const inodes = new Set([...listeners("/proc/net/tcp", port), ...listeners("/proc/net/tcp6", port)]);
  if (inodes.size === 0) return null;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
        if (inode && inodes.has(inode)) return `${readFileSync(`/proc/${pid}/comm`, "utf8").trim()} (pid ${pid})`;
      }
    } catch {
      // Another user's process, or one that has just ended.
    }
  }
  return null;
}

function* listeners(table: string, port: number): Generator<string> {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  let text: string;
  try {
    text = readFileSync(table, "utf8");
  } catch {
    return;
  }
  for (const line of text.split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    // Field 3 is the state, 0A is TCP_LISTEN; field 9 the socket's inode.
    if (fields[3] === "0A" && fields[1]?.endsWith(`:${wanted}`) && fields[9]) yield fields[9];
  }
}

/** The first port from `from` up that is free on 127.0.0.1 now; null when the next 100 are all taken. */
export async function nextFreePort(from: number): Promise<number | null> {
  for (let port = from; port < Math.min(from + 100, 65_536); port++) {
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer();
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
  return null;
}

/** The whole sentence for a port in use. */
export async function explainPortInUse(port: number): Promise<string> {
  const owner = portOwner(port) ?? "a process that this user may not look into";
  const free = await nextFreePort(port + 1);
  return `Port ${port} is used by ${owner}.${free === null ? "" : ` Try: ./microterm up --port ${free}`}`;
}
