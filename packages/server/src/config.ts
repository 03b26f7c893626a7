import { existsSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { parseArgs } from "node:util";
import { FAULT_POINTS } from "@microterm/core";
import { databasePlace, defaultDataFolder } from "@microterm/host";
import {
  Accelerator,
  ALLOWED_HOST,
  AnonymousLinks,
  Cidr,
  CLUSTER_OVERCOMMIT,
  CPUS_ALONE,
  DEFAULT_AUDIT_DAYS,
  DEFAULT_OVERCOMMIT,
  FleetAddress,
  isOfCluster,
  ListenAddress,
  LOG_LEVELS,
  LONGEST_SECONDS,
  listenFaults,
  MAX_AUDIT_DAYS,
  mayBeOneSite,
  NetworkMode,
  type Overcommit,
  PREVIEW_DOMAIN,
  ProxyNetworks,
  PublicUrl,
  parseOvercommit,
} from "@microterm/protocol";
import { DEFAULT_SCROLLBACK, MAX_SCROLLBACK } from "@microterm/screen";
import { z } from "zod";

const absolute = z.string().refine(isAbsolute, "must be an absolute path");
const existing = absolute.refine((path) => existsSync(path), "does not exist");
/** Started by root, the server is a user who may not go everywhere. */
const readable = absolute.refine((path) => existsSync(path), "does not exist, or the server's user may not see it");
const flag = z.enum(["true", "false"]).transform((value) => value === "true");
const port = z
  .string()
  .regex(/^\d{1,5}$/, "must be a number from 0 to 65535")
  .transform(Number)
  .refine((value) => value <= 65_535, "must be a number from 0 to 65535");

const number = (max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be a number from 0 to ${max}`)
    .transform(Number)
    .refine((value) => value <= max, `must be a number from 0 to ${max}`);

/** How many times what the host has may be promised. */
const overcommit = (base: Overcommit) =>
  z
    .string()
    .transform((text, context) => {
      const parsed = parseOvercommit(text, base);
      if (parsed !== null) return parsed;
      context.addIssue("must be like cpu=16,memory=2,disk=1, each from 1 to 100");
      return z.NEVER;
    })
    .default(base);

/** What every driver's configuration has. */
const shared = {
  /** The data folder; everything of the server lies in `server/` below it. */
  data: absolute,
  /** 0 lets the kernel choose; `server.json` has the result. */
  port: port.default(7681),
  /** Further addresses, separated by commas, under which browsers may reach the server: the near end of a tunnel, a proxy. */
  allowHost: z
    .string()
    .toLowerCase()
    .transform((text) => text.split(",").filter((host) => host !== ""))
    .refine((hosts) => hosts.every((host) => ALLOWED_HOST.test(host)), "must be like localhost:8080")
    .default([]),
  /** Where the server listens besides 127.0.0.1, with TLS of its own or for trusted proxies alone. */
  listen: ListenAddress.optional(),
  /** A certificate in PEM with those that lead to its root, and its key; read again when they change. */
  tlsCert: readable.optional(),
  tlsKey: readable.optional(),
  /** What browsers from elsewhere use. */
  publicUrl: PublicUrl.optional(),
  /** Proxies in front of the server, which have TLS and say whose a request is: no others are believed. */
  trustProxy: ProxyNetworks.default([]),
  /**
   * A domain whose every name leads to this server with TLS, or to a proxy in front of it: previews are at
   * names below it. Its pages are the guests': no other may be on its registrable domain.
   */
  previewDomain: z
    .string()
    .toLowerCase()
    .regex(PREVIEW_DOMAIN, "must be a domain like previews.example.net")
    .optional(),
  /** The provider that people sign in at: a file as docs/operations.md has it. */
  oidc: readable.optional(),
  /** `off`: nobody has a password here; people come by links of the host, or sign in at a provider. */
  localAccounts: z.enum(["on", "off"], "must be on or off").default("on"),
  /** The built page. Its absence is no fault: `/` then says how to build it. */
  web: absolute.default(resolve(import.meta.dirname, "../../web/dist")),
  /** `file` is DATA/server/server.log. */
  log: z.enum(["file", "stdout"]).default("file"),
  logLevel: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`).default("info"),
  /** A port on 127.0.0.1 for `GET /metrics`; none when it is left out. */
  metrics: port.optional(),
  /** Machines of the default size that wait to be claimed, where the driver has snapshots or boots them ahead. */
  pool: number(100).default(0),
  /** Builds a template of each size in the background, where the driver has snapshots. With a pool by default. */
  templates: flag.optional(),
  /** The key that agents know their servers by, and the servers of a fleet each other; made where it is missing. In the data folder by default. */
  identity: absolute.optional(),
  /** Rows of output that a terminal keeps above its screen, in the server's models and in every client. */
  scrollback: number(MAX_SCROLLBACK).default(DEFAULT_SCROLLBACK),
  /** Seconds, for environments that are created without a word about it; 0: never. */
  idleTimeout: number(LONGEST_SECONDS).default(0),
  ttl: number(LONGEST_SECONDS).default(0),
  /** Days that entries of the audit log are kept; 0: for ever. */
  auditDays: number(MAX_AUDIT_DAYS).default(DEFAULT_AUDIT_DAYS),
  /** Has entries of the audit log keep the arguments of programs, which may be secrets. */
  auditArguments: flag.default(false),
  overcommit: overcommit(DEFAULT_OVERCOMMIT),
  /**
   * What environments may reach that are created without a word about it. By default the internet, where the host has networks; one
   * that is asked for and cannot be had keeps the server from starting.
   */
  network: NetworkMode.exclude(["allowlist"]).optional(),
  /** Private networks, separated by commas, that guests may reach; as the daemon was told. They stay in answers to names. */
  allowPrivate: z
    .string()
    .transform((text) => text.split(","))
    .pipe(z.array(Cidr))
    .default([]),
  /** What shared links let people without an account be at most. */
  anonymousLinks: AnonymousLinks.default("viewer"),
  /** Why the driver is this one, for a person. */
  driverReason: z.string().min(1).optional(),
  /** Tells one state of the checkout that it was started from from another; shown behind the version. */
  build: z
    .string()
    .regex(/^[0-9a-f]{8,16}$/, "must be 8 to 16 hexadecimal digits")
    .optional(),
  /** Of a PostgreSQL, by the environment alone (DATABASE_URL): it may have a password, and arguments are seen by all. SQLite without it. */
  databaseUrl: z
    .string()
    .refine((url) => databasePlace(url) !== null, "must be like postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    .optional(),
  /** Makes this one of several servers on the PostgreSQL, and says where the others reach it; there it listens for them. */
  fleet: FleetAddress.optional(),
  /** Allows MICROTERM_FAULT, with which tests kill the server at a named point. */
  testFaults: flag.default(false),
  fault: z.enum(FAULT_POINTS, "is not the name of a fault point").optional(),
} as const;

const processDriver = {
  driver: z.literal("process"),
  /** The agent's binary, run on the host as the server's own user. */
  agent: existing,
  /** Where its machines are, in the place of one below the data folder: servers of a fleet share it. */
  processFolder: absolute.optional(),
} as const;

/** What every driver of microterm-host has. */
const ofDaemon = {
  /** Key of an image that the daemon has. */
  image: z.string().regex(/^[a-z0-9-]{8,64}$/, "must be an image's key"),
  /** How the accelerator was proven or refuted, for a person. */
  acceleratorReason: z.string().min(1).default("not examined"),
} as const;

const qemuDriver = {
  driver: z.literal("qemu"),
  ...ofDaemon,
  accelerator: Accelerator.exclude(["none"]),
} as const;

/** It has no accelerator but KVM. */
const firecrackerDriver = { driver: z.literal("firecracker"), ...ofDaemon } as const;

const kubernetesDriver = {
  driver: z.literal("kubernetes"),
  /** How the cluster is reached; absent: the server is one of its pods. */
  kubeconfig: readable.optional(),
  /** RFC 1123: a label. */
  namespace: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "must be the name of a namespace")
    .default("default"),
  /** RFC 1123: a subdomain. Empty: the cluster's own runtime. */
  runtimeClass: z
    .string()
    .regex(/^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$/, "must be the name of a RuntimeClass")
    .default("kata"),
  /** What homes are kept on, over a stop: RFC 1123, a subdomain; `cluster-default`: the cluster's own. Empty: they end with their pods. */
  storageClass: z
    .string()
    .regex(/^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$/, "must be the name of a StorageClass, or cluster-default")
    .default(""),
  /** Has the server start where nothing holds pods to their network policies. Already read, in `drivers.json`. */
  insecureNoNetworkPolicy: z.union([flag, z.boolean()]).default(false),
  /** What pods are made of, as the cluster's nodes pull it. */
  image: z.string().regex(/^[\w.:/@-]{1,255}$/, "must be an image's name, like registry.example.org/microterm:1"),
} as const;

/** As read already, in `drivers.json`. */
const promises = z.object({ cpu: z.number(), memory: z.number(), disk: z.number() });

/** What a driver is made with. */
export const DriverConfig = z.discriminatedUnion("driver", [
  z.object(processDriver),
  z.object({ ...kubernetesDriver, overcommit: promises.default(CLUSTER_OVERCOMMIT) }),
  z.object(qemuDriver),
  z.object(firecrackerDriver),
]);
export type DriverConfig = Readonly<z.infer<typeof DriverConfig>>;

const Config = z.discriminatedUnion("driver", [
  z.strictObject({ ...shared, ...processDriver }),
  z.strictObject({ ...shared, ...kubernetesDriver, overcommit: overcommit(CLUSTER_OVERCOMMIT) }),
  z.strictObject({ ...shared, ...qemuDriver }),
  z.strictObject({ ...shared, ...firecrackerDriver }),
]);
export type Config = Readonly<z.infer<typeof Config>>;

/** Every fault of a configuration at once, one a line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * Reads the arguments of `serve` and the environment, once. `--kebab-case VALUE` becomes `camelCase`; a flag without a
 * value is `true`. Throws {@link ConfigError}.
 */
export function readConfig(args: readonly string[], env: NodeJS.ProcessEnv): Config {
  const raw: Record<string, string> = { data: defaultDataFolder(env) };
  if (env.MICROTERM_FAULT) raw.fault = env.MICROTERM_FAULT;
  if (env.DATABASE_URL) raw.databaseUrl = env.DATABASE_URL;
  const faults: string[] = [];
  for (const [option, value] of readOptions(args, faults)) raw[option] = value;
  for (const path of ["data", "web", "agent", "tlsCert", "tlsKey", "oidc", "kubeconfig", "processFolder", "identity"])
    if (raw[path]) raw[path] = resolve(raw[path]);
  const parsed = Config.safeParse(raw);
  if (!parsed.success) faults.push(...parsed.error.issues.map(describe));
  else {
    const { data } = parsed;
    faults.push(...sitesInCommon(data), ...listenFaults(data), ...fleetFaults(data), ...promiseFaults(data));
  }
  if (parsed.data?.fault && !parsed.data.testFaults) faults.push("MICROTERM_FAULT needs --test-faults");
  if (faults.length > 0 || !parsed.success) throw new ConfigError(faults.join("\n"));
  return Object.freeze(parsed.data);
}

function sitesInCommon({ previewDomain, allowHost }: Config): string[] {
  const shared = allowHost.filter((host) => previewDomain !== undefined && mayBeOneSite(previewDomain, host));
  return shared.map((host) => `--preview-domain ${previewDomain} and --allow-host ${host} may not be of one domain`);
}

const promiseFaults = ({ driver, overcommit }: Config): string[] =>
  driver === "kubernetes" && !isOfCluster(overcommit) ? [`--overcommit: ${CPUS_ALONE}`] : [];

function fleetFaults({ fleet, databaseUrl, driver, identity }: Config): string[] {
  if (fleet === undefined) return [];
  const faults: string[] = [];
  if (databaseUrl === undefined) {
    faults.push(
      "--fleet needs a PostgreSQL that all servers share: set DATABASE_URL to postgresql://USER@HOST/DATABASE",
    );
  }
  if (driver === "qemu" || driver === "firecracker") {
    faults.push(`--fleet needs machines that every server reaches: those of --driver ${driver} are its host's alone`);
  }
  if (identity === undefined) faults.push("--fleet needs --identity FILE: a key that all servers of the fleet share");
  return faults;
}

function* readOptions(args: readonly string[], faults: string[]): Generator<readonly [string, string]> {
  const known = new Set(Config.options.flatMap((option) => Object.keys(option.shape)));
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    options: Object.fromEntries(
      [...known]
        .filter((name) => name !== "testFaults" && name !== "templates")
        .map((name) => [kebab(name), { type: "string" as const }]),
    ),
  });
  for (const token of tokens) {
    if (token.kind === "positional") faults.push(`'${token.value}' is not an option`);
    if (token.kind !== "option") continue;
    const name = token.name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (!known.has(name) || OF_ENVIRONMENT.has(name)) faults.push(`--${token.name} is not an option of serve`);
    else yield [name, token.value ?? "true"];
  }
}

/** What the environment says, and no option. */
const OF_ENVIRONMENT: ReadonlySet<string> = new Set(["fault", "databaseUrl"]);

const kebab = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => `--${kebab(key)} does not belong to this driver`).join("\n");
  }
  const option = issue.path[0] === "databaseUrl" ? "DATABASE_URL" : `--${kebab(String(issue.path[0]))}`;
  if (issue.code === "invalid_union") return `${option} must be process, qemu, firecracker or kubernetes`;
  if (issue.code === "invalid_type" && issue.input === undefined) return `${option} is missing`;
  return `${option}: ${issue.message}`;
}
