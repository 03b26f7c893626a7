import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import {
  createDriverRegistry,
  type DriverRegistry,
  type Log,
  type NetworkProvider,
  type Storage,
  SYSTEM,
  type VmDriver,
} from "@microterm/core";
import {
  createFirecrackerDriver,
  createKubernetesDriver,
  createProcessDriver,
  createQemuDriver,
  proveCluster,
  rememberedProof,
  volumesOf,
} from "@microterm/drivers";
import { createHostDaemonClient, type HostDaemonClient, hostCodeOf, openIdentity } from "@microterm/host";
import { createLoopbackNetwork, createSlotNetwork } from "@microterm/networks";
import { PlatformError } from "@microterm/protocol";
import {
  acquireServerLock,
  createPostgresStorage,
  createSqliteStorage,
  type DatabaseLocation,
  type ServerLock,
} from "@microterm/storage";
import type { Config, DriverConfig } from "./config.ts";
import { shownAddress } from "./listen/shown-address.ts";
import { openKnownDrivers } from "./process/known-drivers.ts";
import type { Meters } from "./telemetry/meters.ts";
import { currentRequestId } from "./telemetry/request-context.ts";

export { assertEmptyDatabase, type DatabaseLocation, exportDatabase, importDatabase } from "@microterm/storage";

/** What core needs of the world outside. */
export interface Adapters {
  readonly storage: Storage;
  readonly drivers: DriverRegistry;
  readonly network: NetworkProvider;
  /** Why machines have their loopback alone, for a person; null where they have more. */
  readonly networkReason: string | null;
}

/** Where adapters report what they do. */
export interface Reporting {
  readonly log: Log;
  readonly meters: Meters;
}

export interface Composition extends Reporting {
  /** The database is back after it was away. */
  onDatabaseReturn(): void;
  /** Other servers of the fleet have this one's place. */
  onDeclaredDead(): void;
}

/** Makes this process the only server on a data folder, or throws ENVIRONMENT_STATE. */
export function lockData(folder: string): ServerLock {
  const path = join(folder, "server.lock");
  // Made first, for its mode: SQLite would let others read it. Not opened again while the lock is held.
  closeSync(openSync(path, "a", 0o600));
  return acquireServerLock(path);
}

/** The one place that picks adapters. `folder` is the server's own, below the data folder. */
export async function compose(config: Config, folder: string, composition: Composition): Promise<Adapters> {
  const { log, meters } = composition;
  const storage = await createDatabase(config, folder, composition);
  const { drivers, network } = await createDrivers(config, {
    ...{ folder, identity: identityFile(config, folder), log, meters, storage },
    allowPrivate: config.allowPrivate,
  });
  if (network !== null) return { storage, drivers, network, networkReason: null };
  return { storage, drivers, ...(await createNetwork(config, { log, meters })) };
}

/** The one in the server's own folder, unless there is the URL of another. */
export const locateDatabase = (url: string | undefined, folder: string): DatabaseLocation =>
  url === undefined ? { kind: "sqlite", path: join(folder, "microterm.db") } : { kind: "postgresql", url };

function createDatabase(
  { databaseUrl, fleet }: Config,
  folder: string,
  { log, onDatabaseReturn, onDeclaredDead }: Pick<Composition, "log" | "onDatabaseReturn" | "onDeclaredDead">,
): Promise<Storage> {
  const location = locateDatabase(databaseUrl, folder);
  if (location.kind === "sqlite") return createSqliteStorage(location);
  return createPostgresStorage({
    ...{ url: location.url, log, onReturn: onDatabaseReturn },
    ...(fleet === undefined ? {} : { fleet: { address: shownAddress(fleet), onDeclaredDead } }),
  });
}

/** What the host's daemon has for machines. Machines of drivers without one have their loopback. */
async function createNetwork(
  config: Config,
  reporting: Reporting,
): Promise<Pick<Adapters, "network" | "networkReason">> {
  const daemon = hasDaemon(config) ? daemonOf(config.data, reporting) : null;
  // Without an answer nothing is known of the host; its loopback alone would take the network from environments that have one.
  const status = await daemon?.networkStatus().catch((error: unknown) => {
    if (hostCodeOf(error) === "bad-request")
      return { isAvailable: false, reason: "microterm-host is of an earlier version" };
    reporting.log.warn("microterm-host does not say which networks there are: slots are assumed", { error });
    return { isAvailable: true, reason: null };
  });
  if (daemon !== null && status?.isAvailable === true) {
    return { network: createSlotNetwork({ daemon }), networkReason: null };
  }
  daemon?.close();
  const reason = status?.reason ?? `the driver '${config.driver}' has none`;
  if (config.network === "open") throw new PlatformError("UNSUPPORTED", `--network open cannot be had: ${reason}`);
  reporting.log.info("environments have their loopback alone", { reason });
  return { network: createLoopbackNetwork(), networkReason: reason };
}

/** Machines are microterm-host's. */
const hasDaemon = ({ driver }: DriverConfig): boolean => driver === "qemu" || driver === "firecracker";

const daemonOf = (data: string, { meters }: Reporting): HostDaemonClient =>
  createHostDaemonClient({
    socketPath: join(data, "host/run/host.sock"),
    observe: (call) => meters.daemonCalled(call),
    requestId: currentRequestId,
  });

/** The file of the installation's key. */
export const identityFile = ({ identity }: Pick<Config, "identity">, folder: string): string =>
  identity ?? join(folder, "agent-identity.json");

interface Place extends Reporting {
  readonly folder: string;
  /** The file of the installation's key. */
  readonly identity: string;
  readonly storage: Storage;
  /** Private ranges that guests may reach. */
  readonly allowPrivate: readonly string[];
}

/**
 * The driver that the server was started with, and each other one that an environment of this data folder runs on: made
 * as it was by the last server that was started with it. One of the same daemon is there as soon as a server with it has run, for what
 * that has left on the host, and is made with what this server was told of the daemon.
 */
async function createDrivers(
  config: Config,
  place: Place,
): Promise<{ readonly drivers: DriverRegistry; readonly network: NetworkProvider | null }> {
  const known = openKnownDrivers(join(place.folder, "drivers.json"));
  known.remember(config);
  const others: VmDriver[] = [];
  const absent = new Map<string, string>();
  const sibling = siblingOf(config);
  const names = new Set((await place.storage.environments.list(SYSTEM)).map((row) => row.driver));
  if (sibling !== null && !("absence" in known.find(sibling.driver))) names.add(sibling.driver);
  for (const name of names) {
    if (name === config.driver) continue;
    const found = name === sibling?.driver ? sibling : known.find(name);
    if ("absence" in found) absent.set(name, found.absence);
    else {
      const { driver, absence } = await createDriver(found, config.data, place).then(present, notSupported);
      if (driver === null) absent.set(name, absence);
      else others.push(driver);
    }
  }
  const { driver, network } = await createDriver(config, config.data, place);
  return { drivers: createDriverRegistry({ default: driver, others, absent }), network };
}

const present = ({ driver }: DriverParts) => ({ driver, absence: "" });

/** What one cannot be had for any more; the server goes on with its own. */
function notSupported(error: unknown): { readonly driver: null; readonly absence: string } {
  if (!(error instanceof PlatformError) || error.code !== "UNSUPPORTED") throw error;
  return { driver: null, absence: error.message };
}

/** The other driver of the same daemon; null of one that has no daemon. */
function siblingOf(config: DriverConfig): DriverConfig | null {
  switch (config.driver) {
    case "process":
    case "kubernetes":
      return null;
    case "qemu":
      return { ...config, driver: "firecracker" };
    case "firecracker":
      return { ...config, driver: "qemu", accelerator: "kvm" };
  }
}

interface DriverParts {
  readonly driver: VmDriver;
  /** Of its machines; null: it is what the host has for them. */
  readonly network: NetworkProvider | null;
}

async function createDriver(
  config: DriverConfig,
  data: string,
  { folder, identity, allowPrivate, log, meters, storage }: Place,
): Promise<DriverParts> {
  const ofDaemon = ({
    image,
    acceleratorReason,
  }: Extract<DriverConfig, { readonly driver: "qemu" | "firecracker" }>) => ({
    ...{ image, acceleratorReason, log },
    daemon: daemonOf(data, { log, meters }),
    machinesDir: join(data, "host/machines"),
  });
  switch (config.driver) {
    case "process": {
      const directory = config.processFolder ?? join(folder, "process");
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      return { driver: createProcessDriver({ agentBinary: config.agent, directory, log }), network: null };
    }
    case "kubernetes": {
      const { namespace, image, insecureNoNetworkPolicy: allowsUnenforced } = config;
      const runtimeClass = config.runtimeClass === "" ? null : config.runtimeClass;
      const place = { kubeConfigFile: config.kubeconfig ?? null, namespace, image, runtimeClass };
      const pods = { ...place, cpuOvercommit: config.overcommit.cpu, volumes: volumesOf(config.storageClass) };
      const path = join(folder, "cluster-proof.json");
      const prove = () => proveCluster(pods, log);
      const driver = await createKubernetesDriver({
        ...{ ...pods, allowPrivate, allowsUnenforced, log },
        identity: openIdentity(identity),
        pins: storage.machinePins,
        prove: (server) => rememberedProof({ path, server, pods, allowsUnenforced, log, prove }),
      });
      return { driver, network: driver.network };
    }
    case "qemu":
      return { driver: createQemuDriver({ ...ofDaemon(config), accelerator: config.accelerator }), network: null };
    case "firecracker":
      return { driver: createFirecrackerDriver(ofDaemon(config)), network: null };
  }
}
