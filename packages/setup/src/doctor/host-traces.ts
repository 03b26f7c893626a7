import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand, systemCode } from "@microterm/host";

/** cgroup v1 and v2 (cgroups(7)) mount below this. */
const CGROUPS = "/sys/fs/cgroup";
const NAMESPACES = "/run/netns";
const LINKS = "/sys/class/net";
/** Of all daemons of the host. */
const SHARED = "/run/microterm-host";

/** What a trace is part of: it is in use as long as that is. */
export type TraceOwner =
  | "daemon"
  | "network"
  /** Nothing that is in use has such a thing. */
  | "none"
  | `machine ${string}`
  | `slot ${string}`
  | `process ${number}`;

export interface Trace {
  readonly kind: "process" | "namespace" | "link" | "table" | "cgroup" | "mount" | "file";
  readonly name: string;
  readonly of: TraceOwner;
}

export interface HostTraces {
  readonly found: readonly Trace[];
  /** What this user may not look at. */
  readonly unseen: readonly string[];
}

export interface TraceScope {
  /** The data folder's path. */
  readonly data: string;
  readonly instance: string;
}

/**
 * What on this host bears an instance's name or lies in its folder of running things, by the kernel's own lists and not by what the
 * daemon remembers. Reads only. Images, disks, saved guests and the server's files are data, and no traces.
 */
export async function findTraces(scope: TraceScope): Promise<HostTraces> {
  const look = new Look(scope);
  look.processes();
  look.cgroups();
  look.namespaces();
  look.links();
  await look.tables();
  look.mounts();
  look.files();
  return { found: look.found, unseen: [...look.unseen] };
}

class Look {
  readonly found: Trace[] = [];
  readonly unseen = new Set<string>();
  readonly #scope: TraceScope;

  constructor(scope: TraceScope) {
    this.#scope = scope;
  }

  processes(): void {
    const { data } = this.#scope;
    const ofMachine = new RegExp(`/${this.#group}/([a-z0-9]{8,32})(?:/|$)`, "m");
    for (const pid of this.#names("/proc").filter((name) => /^\d+$/.test(name))) {
      const words = this.#text(`/proc/${pid}/cmdline`).split("\0");
      const name = `${pid} ${words.join(" ").trim().slice(0, 120)}`;
      const machine = ofMachine.exec(this.#text(`/proc/${pid}/cgroup`))?.[1];
      if (machine !== undefined) this.#add("process", name, `machine ${machine}`);
      // The server and the daemon, and no shell that keeps one of them running.
      else if (words[1] !== "-c" && words.includes("serve") && words.includes(data)) {
        this.#add("process", name, `process ${Number(pid)}`);
      }
    }
  }

  cgroups(): void {
    for (const hierarchy of [CGROUPS, ...this.#names(CGROUPS).map((name) => join(CGROUPS, name))]) {
      const path = join(hierarchy, this.#group);
      if (!this.#folders(hierarchy).includes(this.#group)) continue;
      this.#add("cgroup", path, "daemon");
      for (const machine of this.#folders(path)) this.#add("cgroup", join(path, machine), `machine ${machine}`);
    }
  }

  namespaces(): void {
    const prefix = `${this.#group}-`;
    for (const name of this.#names(NAMESPACES).filter((one) => one.startsWith(prefix))) {
      this.#add("namespace", name, slotOrNetwork(name.slice(prefix.length), "router"));
    }
  }

  links(): void {
    const name = `mt-${this.#scope.instance}`;
    if (this.#names(LINKS).includes(name)) this.#add("link", name, "network");
  }

  async tables(): Promise<void> {
    try {
      const { code, stdout } = await runCommand(["nft", "list", "tables"], { signal: AbortSignal.timeout(5000) });
      if (code !== 0) this.unseen.add("tables of nftables");
      for (const line of stdout.split("\n")) {
        const [, family, name] = /^table (\S+) (\S+)$/.exec(line) ?? [];
        if (name === this.#group) this.#add("table", `${family} ${name}`, "network");
      }
    } catch (error) {
      // Without the program the daemon made none.
      if (systemCode(error) !== "ENOENT") this.unseen.add("tables of nftables");
    }
  }

  mounts(): void {
    const { data } = this.#scope;
    for (const line of this.#text("/proc/self/mountinfo").split("\n")) {
      // proc_pid_mountinfo(5): spaces and the like are octal there.
      const at = (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      );
      const machine = at.startsWith(`${data}/host/machines/`) ? at.split("/")[data.split("/").length + 2] : undefined;
      if (machine !== undefined) this.#add("mount", at, `machine ${machine}`);
      // A server has it in a mount namespace of its own.
      else if (at === `${data}/app`) this.#add("mount", at, "none");
    }
  }

  files(): void {
    const { data, instance } = this.#scope;
    for (const name of this.#names(join(SHARED, "uids"))) {
      const path = join(SHARED, "uids", name);
      const [owner, machine = ""] = this.#text(path).split(" ");
      if (owner === instance) this.#add("file", path, `machine ${machine}`);
    }
    for (const uplink of this.#names(join(SHARED, "uplinks"))) {
      const folder = join(SHARED, "uplinks", uplink);
      if (this.#names(folder).includes(instance)) this.#add("file", join(folder, instance), "network");
    }
    const machines = join(data, "host/machines");
    for (const name of this.#names(machines)) this.#add("file", join(machines, name), `machine ${name}`);
    const slots = join(SHARED, "slots", instance);
    for (const name of this.#names(slots)) {
      this.#add("file", join(slots, name), slotOrNetwork(name.replace(/\.(json|new)$/, ""), "host"));
    }
  }

  get #group(): string {
    return `microterm-${this.#scope.instance}`;
  }

  #add(kind: Trace["kind"], name: string, of: TraceOwner): void {
    this.found.push({ kind, name, of });
  }

  #names(path: string): readonly string[] {
    return this.#seen(path, () => readdirSync(path)) ?? [];
  }

  #folders(path: string): readonly string[] {
    const entries = this.#seen(path, () => readdirSync(path, { withFileTypes: true })) ?? [];
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  }

  #text(path: string): string {
    return this.#seen(path, () => readFileSync(path, "utf8")) ?? "";
  }

  /** Null for what is not there, or no longer; what this user may not see is remembered. */
  #seen<T>(path: string, read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      if (["EACCES", "EPERM"].includes(systemCode(error) ?? "")) this.unseen.add(path);
      return null;
    }
  }
}

const slotOrNetwork = (name: string, shared: string): TraceOwner => (name === shared ? "network" : `slot ${name}`);
