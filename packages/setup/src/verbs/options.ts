import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { defaultDataFolder } from "@microterm/host";
import {
  ALLOWED_HOST,
  AnonymousLinks,
  Cidr,
  CPUS_ALONE,
  DEFAULT_AUDIT_DAYS,
  defaultOvercommit,
  formatOvercommit,
  isOfCluster,
  LOG_LEVELS,
  LONGEST_SECONDS,
  MAX_AUDIT_DAYS,
  mayBeOneSite,
  type Overcommit,
  PREVIEW_DOMAIN,
  parseDuration,
  parseOvercommit,
} from "@microterm/protocol";
import { DEFAULT_SCROLLBACK, MAX_SCROLLBACK } from "@microterm/screen";
import { SetupError } from "../progress.ts";
import { CLUSTER_OPTIONS, readClusterOptions } from "../server/cluster-options.ts";
import { FLEET_OPTIONS, readFleetOptions } from "../server/fleet-options.ts";
import { LISTEN_OPTIONS, readListenOptions, type ServeOption } from "../server/listen-options.ts";

export interface UpOptions {
  readonly detach: boolean;
  readonly port: number;
  readonly data: string;
  /** Addresses besides its own under which browsers reach it. */
  readonly allowHost: readonly string[];
  /** How it is reached from beyond its host; none: it is not. */
  readonly listen: readonly ServeOption[];
  /** Below which previews are; null: below localhost alone. */
  readonly previewDomain: string | null;
  /** What shared links let people without an account be at most; null: the server's own default. */
  readonly anonymousLinks: AnonymousLinks | null;
  /** `auto` is one that isolates. */
  readonly driver: (typeof DRIVERS)[number];
  /** Which cluster, and what of; none with other drivers. */
  readonly cluster: readonly ServeOption[];
  /** Which servers are its peers; none where it is alone. */
  readonly fleet: readonly ServeOption[];
  /** What environments may reach that are made without a word about it; null: the internet, where the host has networks. */
  readonly network: "none" | "open" | null;
  /** The device towards the internet; null: that of the default route. */
  readonly uplink: string | null;
  /** Private networks that environments may reach all the same, as CIDRs. */
  readonly allowPrivate: readonly string[];
  /** Machines that wait to be claimed. */
  readonly pool: number;
  /** Seconds, for environments that are made without a word about it; 0: never. */
  readonly idleTimeout: number;
  readonly ttl: number;
  /** How many times what the host has may be promised; null: it was not said. */
  readonly overcommit: Overcommit | null;
  /** Rows of output that a terminal keeps above its screen. */
  readonly scrollback: number;
  /** The file of the provider that people sign in at; null: there is none. */
  readonly oidc: string | null;
  /** Whether people may have passwords; null: as the server has it. */
  readonly localAccounts: "on" | "off" | null;
  /** Days that the audit log is kept, 0: for ever; null: it was not said. */
  readonly auditDays: number | null;
  /** Whether it has the arguments of programs. */
  readonly auditArguments: boolean;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** Where `GET /metrics` listens on 127.0.0.1; null: nowhere. */
  readonly metrics: number | null;
}

export interface DownOptions {
  readonly data: string;
  readonly destroy: boolean;
  readonly yes: boolean;
  /** What only root can do is left to the caller, which is root. */
  readonly rootFollows: boolean;
}

/** Of `backup` and `restore`. */
export interface ArchiveOptions {
  readonly file: string;
  readonly data: string;
}

/** What is to be done with which image of a cluster's pods, under which name. */
export type ImageOptions = { readonly of: "environments" | "server"; readonly name: string } & (
  | { readonly action: "push" }
  | { readonly action: "export"; readonly file: string }
);

/** `process` gives no isolation at all, and `kubernetes` is not of this host: they are never chosen, only asked for. */
const DRIVERS = ["auto", "firecracker", "qemu", "kubernetes", "process"] as const;
export const DEFAULT_PORT = 7681;
/** A click and another one right after it find a machine each. */
const DEFAULT_POOL = 2;
const LARGEST_POOL = 100;
/** netdevice(7): IFNAMSIZ is 16, with the NUL. The characters are those that microterm-host writes into rules. */
const DEVICE = /^(?!\.)[\w.:@+-]{1,15}$/;

export function readUpOptions(args: readonly string[]): UpOptions {
  const { values } = parse(args, {
    detach: { type: "boolean", short: "d" },
    port: { type: "string" },
    data: { type: "string" },
    "allow-host": { type: "string", multiple: true },
    ...LISTEN_OPTIONS,
    "preview-domain": { type: "string" },
    "anonymous-links": { type: "string" },
    driver: { type: "string" },
    ...CLUSTER_OPTIONS,
    ...FLEET_OPTIONS,
    network: { type: "string" },
    uplink: { type: "string" },
    "allow-private": { type: "string", multiple: true },
    pool: { type: "string" },
    "idle-timeout": { type: "string" },
    ttl: { type: "string" },
    overcommit: { type: "string" },
    scrollback: { type: "string" },
    oidc: { type: "string" },
    "local-accounts": { type: "string" },
    "audit-days": { type: "string" },
    "audit-arguments": { type: "boolean" },
    "log-level": { type: "string" },
    metrics: { type: "string" },
    yes: { type: "boolean", short: "y" },
  });
  const port = portOf("--port", values.port, 7682) ?? DEFAULT_PORT;
  const metrics = portOf("--metrics", values.metrics, 7690) ?? null;
  const logLevel = LOG_LEVELS.find((level) => level === (values["log-level"] ?? "info"));
  if (logLevel === undefined) {
    throw new SetupError(
      `--log-level ${values["log-level"]} is none of ${LOG_LEVELS.join(", ")}`,
      "./microterm up --log-level info",
    );
  }
  const driver = DRIVERS.find((one) => one === (values.driver ?? "auto"));
  if (driver === undefined) {
    throw new SetupError(`--driver ${values.driver} is none of ${DRIVERS.join(", ")}`, "./microterm up");
  }
  const network = values.network ?? null;
  if (network !== null && network !== "none" && network !== "open") {
    throw new SetupError(`--network ${network} is none of none, open`, "./microterm up --network open");
  }
  const allowPrivate = (values["allow-private"] ?? []).map((text) => privateNetworkOf(String(text)));
  const uplink = uplinkOf(values.uplink);
  if (driver === "process" && (uplink !== null || allowPrivate.length > 0)) {
    throw new SetupError(
      "--uplink and --allow-private are for machines: --driver process has no networks",
      "./microterm up",
    );
  }
  if (driver === "kubernetes" && uplink !== null) {
    throw new SetupError("--uplink is for machines of this host", "./microterm up --driver kubernetes --image NAME");
  }
  const pool = values.pool === undefined ? DEFAULT_POOL : /^\d{1,3}$/.test(values.pool) ? Number(values.pool) : -1;
  if (pool < 0 || pool > LARGEST_POOL) {
    throw new SetupError(`--pool ${values.pool} is not a number from 0 to ${LARGEST_POOL}`, "./microterm up --pool 2");
  }
  const { scrollback = String(DEFAULT_SCROLLBACK) } = values;
  if (!/^\d{1,5}$/.test(scrollback) || Number(scrollback) > MAX_SCROLLBACK) {
    throw new SetupError(
      `--scrollback ${scrollback} is not a number of rows from 0 to ${MAX_SCROLLBACK}`,
      `./microterm up --scrollback ${DEFAULT_SCROLLBACK}`,
    );
  }
  const allowHost = (values["allow-host"] ?? []).map((host) => String(host).toLowerCase());
  const wrong = allowHost.find((host) => !ALLOWED_HOST.test(host));
  if (wrong !== undefined) {
    throw new SetupError(
      `--allow-host ${wrong} is no address as a browser shows it, without http://`,
      "./microterm up --allow-host localhost:8080",
    );
  }
  const previewDomain = previewDomainOf(values["preview-domain"], allowHost);
  return {
    detach: values.detach === true,
    port,
    allowHost,
    listen: readListenOptions(values, previewDomain),
    previewDomain,
    anonymousLinks: anonymousLinksOf(values["anonymous-links"]),
    pool,
    overcommit: overcommitOf(values.overcommit, driver),
    scrollback: Number(scrollback),
    oidc: values.oidc === undefined ? null : resolve(values.oidc),
    localAccounts: localAccountsOf(values["local-accounts"]),
    auditDays: auditDaysOf(values["audit-days"]),
    auditArguments: values["audit-arguments"] === true,
    logLevel,
    metrics,
    idleTimeout: seconds("--idle-timeout", values["idle-timeout"]),
    ttl: seconds("--ttl", values.ttl),
    data: String(values.data ?? defaultDataFolder()),
    driver,
    cluster: readClusterOptions(values, driver === "kubernetes"),
    fleet: readFleetOptions(values, driver === "kubernetes"),
    network,
    uplink,
    allowPrivate,
  };
}

function localAccountsOf(text: string | undefined): "on" | "off" | null {
  if (text === undefined || text === "on" || text === "off") return text ?? null;
  throw new SetupError(`--local-accounts ${text} is neither on nor off`, "./microterm up --local-accounts off");
}

function anonymousLinksOf(text: string | undefined): AnonymousLinks | null {
  const found = AnonymousLinks.options.find((one) => one === text) ?? null;
  if (text === undefined || found !== null) return found;
  throw new SetupError(
    `--anonymous-links ${text} is none of ${AnonymousLinks.options.join(", ")}`,
    "./microterm up --anonymous-links off",
  );
}

function previewDomainOf(text: string | undefined, allowHost: readonly string[]): string | null {
  if (text === undefined) return null;
  const domain = text.toLowerCase();
  const command =
    "./microterm up --public-url https://term.example.org --trust-proxy 127.0.0.1 --preview-domain previews.example.net";
  if (!PREVIEW_DOMAIN.test(domain))
    throw new SetupError(`--preview-domain ${text} is no domain of two labels or more`, command);
  const near = allowHost.find((host) => mayBeOneSite(domain, host));
  if (near === undefined) return domain;
  throw new SetupError(`--preview-domain ${domain} and --allow-host ${near} may not be of one domain`, command);
}

function uplinkOf(text: string | undefined): string | null {
  if (text === undefined) return null;
  if (DEVICE.test(text)) return text;
  throw new SetupError(
    `--uplink ${text} is no name of a network device: up to 15 letters, digits and -_.:@+`,
    "ip -brief link, then ./microterm up --uplink eth0",
  );
}

function privateNetworkOf(text: string): string {
  const parsed = Cidr.safeParse(text);
  if (parsed.success) return parsed.data;
  const why = parsed.error.issues[0]?.message;
  throw new SetupError(`--allow-private ${text}: ${why}`, "./microterm up --allow-private 192.168.7.0/24");
}

function portOf(option: string, text: string | undefined, example: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new SetupError(`${option} ${text} is not a number from 0 to 65535`, `./microterm up ${option} ${example}`);
}

function overcommitOf(text: string | undefined, driver: UpOptions["driver"]): Overcommit | null {
  if (text === undefined) return null;
  const base = defaultOvercommit(driver);
  const parsed = parseOvercommit(text, base);
  if (parsed !== null && driver === "kubernetes" && !isOfCluster(parsed)) {
    throw new SetupError(
      `--overcommit ${text}: ${CPUS_ALONE}`,
      "./microterm up --driver kubernetes --overcommit cpu=4",
    );
  }
  if (parsed !== null) return parsed;
  throw new SetupError(
    `--overcommit ${text} names nothing of cpu, memory and disk from 1 to 100 times`,
    `./microterm up --overcommit ${formatOvercommit(base)}`,
  );
}

function auditDaysOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^\d{1,5}$/.test(text) && Number(text) <= MAX_AUDIT_DAYS) return Number(text);
  throw new SetupError(
    `--audit-days ${text} is not a number of days from 0 to ${MAX_AUDIT_DAYS}`,
    `./microterm up --audit-days ${DEFAULT_AUDIT_DAYS}`,
  );
}

function seconds(option: string, text = "0"): number {
  const parsed = parseDuration(text);
  if (parsed !== null && parsed <= LONGEST_SECONDS) return parsed;
  throw new SetupError(`${option} ${text} is no time of up to 365d`, `./microterm up ${option} 8h`);
}

export function readDownOptions(args: readonly string[]): DownOptions {
  const { values } = parse(args, {
    data: { type: "string" },
    destroy: { type: "boolean" },
    yes: { type: "boolean", short: "y" },
    "root-follows": { type: "boolean" },
  });
  return {
    data: String(values.data ?? defaultDataFolder()),
    destroy: values.destroy === true,
    yes: values.yes === true,
    rootFollows: values["root-follows"] === true,
  };
}

/** What `microterm setup` is to set up: the one thing that there is. */
export function readSetupOptions(args: readonly string[]): "firecracker" {
  const [what] = args;
  if (args.length === 1 && what === "firecracker") return what;
  throw new SetupError(
    `setup takes the name of what to set up, and not '${args.join(" ")}'`,
    "./microterm setup firecracker",
  );
}

/** Of an image, as registries have it: `HOST/PATH:TAG`; a tag may be absent. */
const IMAGE_NAME = /^[a-z0-9.-]+(:\d{1,5})?(\/[a-z0-9._-]+)+(:[\w.-]{1,128})?$/;
const DEFAULT_NAMES = { environments: "localhost/microterm:latest", server: "localhost/microterm-server:latest" };
const IMAGE_EXAMPLE = "registry.example.org/microterm:1";

export function readImageOptions(args: readonly string[]): ImageOptions {
  const { values, positionals } = parse(args, { name: { type: "string" }, server: { type: "boolean" } }, true);
  const [action, target, ...more] = positionals;
  const isKnown = action === "export" || action === "push";
  if (!isKnown || target === undefined || more.length > 0 || (action === "push" && values.name !== undefined)) {
    throw new SetupError(
      "image takes 'export' and the name of a file, or 'push' and the name of an image",
      `./microterm image push ${IMAGE_EXAMPLE}`,
    );
  }
  const of = values.server === true ? "server" : "environments";
  const name = action === "push" ? target : String(values.name ?? DEFAULT_NAMES[of]);
  if (!IMAGE_NAME.test(name)) {
    throw new SetupError(
      `${name} is no image's name with its registry`,
      action === "push"
        ? `./microterm image push ${IMAGE_EXAMPLE}`
        : `./microterm image export FILE --name ${IMAGE_EXAMPLE}`,
    );
  }
  return action === "push" ? { action, of, name } : { action, of, name, file: resolve(target) };
}

export function readArchiveOptions(verb: "backup" | "restore", args: readonly string[]): ArchiveOptions {
  const { values, positionals } = parse(args, { data: { type: "string" } }, true);
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) {
    throw new SetupError(`${verb} takes the name of one file`, `./microterm ${verb} FILE`);
  }
  return { file, data: String(values.data ?? defaultDataFolder()) };
}

/** @throws SetupError for what no option is called. */
export function parse<T extends NonNullable<Parameters<typeof parseArgs>[0]>["options"]>(
  args: readonly string[],
  options: T,
  allowPositionals = false,
) {
  try {
    return parseArgs({ args: [...args], options: options as T & {}, strict: true, allowPositionals });
  } catch (error) {
    throw new SetupError((error as Error).message, "./microterm help", { cause: error });
  }
}
