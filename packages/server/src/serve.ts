import { createHash } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import {
  createAccountService,
  createAuditLog,
  createCodeLimit,
  createCredentialService,
  createEnvironmentService,
  createPreviewService,
  createQuotaService,
  createSharingService,
  openAttempts,
  SYSTEM,
  sweepAttempts,
} from "@microterm/core";
import { databasePlace, describePlace, openIdentity, VERSION } from "@microterm/host";
import { type HostStatus, type NetworkPolicy, OwnerId, PlatformError } from "@microterm/protocol";
import { pino } from "pino";
import { createAuthenticator } from "./auth/authenticator.ts";
import { CLOSE, createLiveConnections } from "./auth/live-connections.ts";
import { createLiveRequests } from "./auth/live-requests.ts";
import { readOidcConfig } from "./auth/oidc/oidc-config.ts";
import { openOidc } from "./auth/oidc/open-oidc.ts";
import { createPasswords } from "./auth/passwords.ts";
import { createPrincipals } from "./auth/principals.ts";
import { createSessionCookies } from "./auth/session-cookies.ts";
import { compose, identityFile, lockData } from "./compose.ts";
import type { Config } from "./config.ts";
import { followFleet } from "./fleet/follow-fleet.ts";
import { openFleet } from "./fleet/open-fleet.ts";
import type { FindTitle } from "./fleet/peer-titles.ts";
import { createAddresses } from "./http/addresses.ts";
import { createApp } from "./http/app.ts";
import { createConnectionLimit } from "./http/connection-limit.ts";
import { listenAtIpv6 } from "./http/http-server.ts";
import { exposureOf, listenBeyond } from "./listen/beyond.ts";
import { createClientAddresses } from "./listen/client-address.ts";
import { createCeiling } from "./names/address-ceiling.ts";
import { hostNameServers } from "./names/host-servers.ts";
import { createNameServer } from "./names/name-server.ts";
import { createUpstream } from "./names/upstream.ts";
import { createPreviewHosts } from "./previews/hosts.ts";
import { createOpenPreviews } from "./previews/open-previews.ts";
import { createPortWatches } from "./previews/port-watches.ts";
import { createPreviewServer } from "./previews/preview-server.ts";
import { createAccessToken } from "./process/access-token.ts";
import { writeFileAtomic } from "./process/atomic-file.ts";
import { coreLog } from "./process/core-log.ts";
import { watchDisabledAccounts } from "./process/disabled-accounts.ts";
import { createFaults } from "./process/faults.ts";
import { createLogFile } from "./process/log-file.ts";
import { explainPortInUse } from "./process/port-owner.ts";
import { createReadiness } from "./process/readiness.ts";
import { recover } from "./process/recovery.ts";
import { StartError } from "./process/start-error.ts";
import { systemClock, systemRandomness } from "./process/system-clock.ts";
import { createLiveGrants } from "./sharing/live-grants.ts";
import { exit, exitOnBugs } from "./telemetry/fatal.ts";
import { NO_METERS } from "./telemetry/meters.ts";
import { listenForMetrics } from "./telemetry/metrics-listener.ts";
import { createObserver } from "./telemetry/operation-log.ts";
import type { Prometheus } from "./telemetry/prometheus.ts";
import { currentRequestId } from "./telemetry/request-context.ts";
import { serveWebSockets } from "./terminal/clients/upgrade.ts";
import { createTerminalHubs, type TerminalHubs } from "./terminal/hub/hubs.ts";
import { openKeptPlaces } from "./terminal/kept-places.ts";

/** For this host's own users, and from others through `ssh -L`; `--listen` has an address beside it. */
const LISTEN_ADDRESS = "127.0.0.1";
/** Expired credentials and answers to idempotent requests are deleted this often. */
const SWEEP_MS = 10 * 60_000;
/** Clients get this long to take their close frames. */
const GOODBYE_MS = 500;
const RECOVERY_GOODBYE_MS = 2000;

export interface RunningServer {
  readonly url: string;
  /** Disconnects clients and machines, which live on. */
  stop(): Promise<void>;
}

/** Starts a server and resolves once it listens; recovery goes on behind `/readyz`. Throws {@link StartError}. */
export async function serve(config: Config): Promise<RunningServer> {
  const folder = join(config.data, "server");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = lockFolder(folder);
  const log = createLogger(config, folder);
  const oidc = config.oidc === undefined ? null : readOidcConfig(config.oidc);
  exitOnBugs(log);
  const prometheus =
    config.metrics === undefined ? null : (await import("./telemetry/prometheus.ts")).createPrometheus();
  const meters = prometheus?.meters ?? NO_METERS;
  let onDatabaseReturn = () => {};
  const adapters = await composeOrExplain(config, folder, {
    ...{ log: coreLog(log), meters },
    onDatabaseReturn: () => onDatabaseReturn(),
    onDeclaredDead: () => exit(log, "other servers took this one for dead, and have its environments"),
  });
  const { storage, drivers, network, networkReason } = adapters;
  const networkPolicy: NetworkPolicy = { mode: config.network ?? "open" };
  const core = { storage, clock: systemClock, random: systemRandomness };
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  const faults = createFaults(folder, config.fault);
  const audit = createAuditLog({
    ...core,
    ...{ log: coreLog(log), days: config.auditDays, keepsArguments: config.auditArguments, faults },
  });
  const credentials = createCredentialService({ ...core, audit, sha256, log: coreLog(log) });
  const attempts = openAttempts({ ...core, sha256 });
  const accounts = createAccountService({
    ...{ provider: oidc, attempts },
    ...{ ...core, audit, sha256, credentials, passwords: createPasswords() },
    hasLocalAccounts: config.localAccounts === "on",
  });
  const environments = createEnvironmentService({
    ...core,
    ...adapters,
    audit,
    names: createNameServer({
      upstream: createUpstream({ servers: hostNameServers() }),
      isBeyondCeiling: createCeiling(config.allowPrivate),
      now: () => performance.now(),
    }),
    log: coreLog(log),
    observer: createObserver(log, meters),
    pool: config.pool,
    templates: config.templates ?? config.pool > 0,
    idleTimeoutSeconds: config.idleTimeout,
    ttlSeconds: config.ttl,
    overcommit: config.overcommit,
    networkPolicy,
    faults,
  });
  const { id: owner } = await storage.accounts.ensureDataFolderAccount(
    OwnerId.parse(systemRandomness.id(12)),
    new Date().toISOString(),
  );
  const access = await createAccessToken({ path: join(folder, "token"), owner, random: systemRandomness, credentials });
  const exposure = exposureOf(config, {
    ...{ hasPasswordAdmin: await storage.accounts.hasPasswordAdmin(), hasOidc: oidc !== null },
  });
  let port = config.port;
  let endIpv6: (() => void) | null = null;
  const clients = createClientAddresses(config.trustProxy);
  const publicUrl = config.publicUrl ?? null;
  const addresses = createAddresses({ port: () => port, allowed: config.allowHost, publicUrl, clients });
  const locate = environments.locate;
  const previews = createPreviewService({ ...core, audit, sha256, locate });
  const previewHosts = createPreviewHosts({
    port: () => port,
    isLoopbackOurs: () => endIpv6 !== null,
    allowed: config.allowHost,
    domain: config.previewDomain ?? null,
  });
  const connectionLimit = createConnectionLimit({ clients });
  const readiness = createReadiness(storage, drivers.default);
  const openPreviews = createOpenPreviews(credentials, previews);
  const connections = createLiveConnections(credentials);
  const requests = createLiveRequests(credentials);
  const titleHere: FindTitle = async (id, terminal) => (await terminals.find(id, terminal))?.title ?? "";
  const fleet =
    config.fleet === undefined
      ? null
      : openFleet({
          ...{ at: config.fleet, identity: openIdentity(identityFile(config, folder)), storage, environments, log },
          ...{ connections, addresses, clients, titleHere, port: () => port },
        });
  const previewServer = createPreviewServer({
    ...{ previews, environments, connectionLimit, readiness, log },
    ...{ hosts: previewHosts, open: openPreviews, addresses, forwarding: fleet?.forwarding ?? null },
  });
  const version = config.build === undefined ? VERSION : `${VERSION}+${config.build}`;
  const disabledAccounts = watchDisabledAccounts(storage.accounts, environments, log);
  const authenticator = createAuthenticator({ credentials, accounts: storage.accounts, addresses, clients, access });
  const quotas = createQuotaService({
    ...{ ...core, audit },
    recordingsMib: (ids) => terminals.recordings.totalMib(ids),
  });
  const kept = await openKeptPlaces(storage, folder);
  const terminals: TerminalHubs = createTerminalHubs({
    environments,
    folder,
    log,
    scrollback: config.scrollback,
    stateOf: async (id) => (await storage.environments.get(id, SYSTEM))?.state ?? null,
    ...kept,
    recordingRoom: quotas.recordingRoom,
    onInput: (id) => environments.noteActivity(id),
  });
  const sharing = createSharingService({
    ...{ ...core, audit, sha256, locate, anonymousLinks: config.anonymousLinks },
    requireTerminal: async (id, terminal) => {
      const there = await (await environments.agentOf(id)).terminals();
      if (there.some((one) => one.id === terminal)) return;
      throw new PlatformError("TERMINAL_NOT_FOUND", `The environment has no terminal '${terminal}'.`);
    },
    titleOf: fleet?.titleOf ?? titleHere,
  });
  environments.subscribe(({ kind, id }) => {
    if (kind !== "transferred") return;
    connections.closeOf(id);
    requests.closeOf(id);
    openPreviews.closeOf(id);
    previews.dropTickets(id);
  });
  accounts.onLimited(async ({ account, to }) => {
    await previews.closeAllOf(account);
    // What others share with a visitor goes on.
    await sharing.endOf(to === "disabled" ? { account } : { maker: account });
    if (to !== "disabled") return;
    storage.fleet.notify({ kind: "disabled" });
    await disabledAccounts.look();
  });
  const services = {
    environments: fleet?.environments ?? environments,
    forwarding: fleet?.forwarding ?? null,
    ...{ accounts, quotas, credentials, audit },
    storage,
    drivers,
    driverReason: config.driverReason ?? null,
    network,
    networkReason,
    networkPolicy,
    database: databaseOf(config),
    addresses,
    clients,
    sessionCookies: createSessionCookies({ addresses, clients, version }),
    oidc: oidc === null ? null : await openOidc(oidc, { addresses, log, flowKey: fleet?.flowKey }),
    authenticator,
    connections,
    requests,
    connectionLimit,
    readiness,
    previews,
    previewHosts,
    previewServer,
    portWatches: createPortWatches(environments),
    sharing,
    sha256,
    principals: createPrincipals({ authenticator, addresses, clients, sha256 }),
    wrongShareCode: createCodeLimit(attempts, "share"),
    liveGrants: createLiveGrants({ sharing, environments, log }),
    terminals,
    version,
    describeApi: async () => (await import("./docs/openapi.ts")).renderOpenApi(publicUrl),
    web: config.web,
  };
  const app = await createApp({ services, log });
  services.connectionLimit.watch(app.server);
  services.connectionLimit.watchRequests(app.server);
  serveWebSockets(app.server, services, log);
  prometheus?.watch(services);
  const metrics = prometheus === null ? null : await listenMetrics(prometheus, config.metrics ?? 0);
  await listen(app, config.port);
  port = (app.server.address() as AddressInfo).port;
  endIpv6 = await listenAtIpv6(app.server, port, services.connectionLimit.watch);
  if (endIpv6 === null) log.warn({ port }, "previews are off: the port at ::1 is not to be had");
  const beyond = await listenBeyond(config, { main: app.server, clients, connectionLimit, log });
  await fleet?.listen(app.server);
  const url = `http://${LISTEN_ADDRESS}:${port}`;
  const whereabouts = join(folder, "server.json");
  writeFileAtomic(
    whereabouts,
    JSON.stringify({
      ...{ url, pid: process.pid, startedAt: new Date().toISOString(), metricsPort: metrics?.port },
      exposure: exposure === null ? undefined : { ...exposure, listen: beyond?.listen ?? null },
    }),
  );
  log.info(
    {
      url,
      publicUrl: publicUrl ?? undefined,
      listen: beyond?.listen,
      driver: drivers.default.name,
      reason: config.driverReason,
      version: VERSION,
    },
    "listening",
  );
  const stopping = new AbortController();
  const takeStock = async () => {
    await recover(environments, services.readiness, { log, signal: stopping.signal });
    await disabledAccounts.look();
    if (!stopping.signal.aborted) await terminals.resumeRecordings();
  };
  let recovering = takeStock();
  let isToRecover = false;
  const takeStockAgain = () => {
    if (isToRecover) return;
    isToRecover = true;
    recovering = recovering.then(() => {
      isToRecover = false;
      return takeStock();
    });
  };
  // What was begun before, and could not be written down, is finished as after a restart.
  onDatabaseReturn = takeStockAgain;
  followFleet({ ...services, fleet: storage.fleet, openPreviews, disabledAccounts, takeStock: takeStockAgain, log });
  const sweeper = setInterval(() => {
    Promise.all([
      credentials.sweep(),
      previews.sweep(),
      sharing.sweep(),
      audit.sweep(),
      kept.recordings.sweep(),
      sweepAttempts(core),
    ]).catch((error: unknown) => log.warn({ err: error }, "sweep failed"));
  }, SWEEP_MS);

  return {
    url,
    async stop() {
      log.info("stopping");
      stopping.abort();
      clearInterval(sweeper);
      disabledAccounts.dispose();
      metrics?.close();
      services.connections.closeAll(CLOSE.serverShutdown, "the server is shutting down");
      const deadline = Date.now() + GOODBYE_MS;
      while (services.connections.size > 0 && Date.now() < deadline) await systemClock.sleep(10);
      services.connections.dispose();
      services.liveGrants.dispose();
      services.requests.dispose();
      openPreviews.closeAll();
      openPreviews.dispose();
      endIpv6?.();
      beyond?.close();
      fleet?.close();
      await services.terminals.stop();
      await app.close();
      await environments.close();
      // It ends with the environments' closing; a daemon that does not answer must not keep the server.
      await Promise.race([recovering, systemClock.sleep(RECOVERY_GOODBYE_MS)]);
      await audit.close();
      rmSync(whereabouts, { force: true });
      await storage.close();
      lock.release();
      log.info("stopped");
    },
  };
}

function databaseOf({ databaseUrl }: Config): HostStatus["database"] {
  const place = databaseUrl === undefined ? null : databasePlace(databaseUrl);
  return place === null ? { kind: "sqlite", place: null } : { kind: "postgresql", place: describePlace(place) };
}

function lockFolder(folder: string): ReturnType<typeof lockData> {
  try {
    return lockData(folder);
  } catch (error) {
    throw new StartError(error instanceof Error ? error.message : String(error));
  }
}

/** A database that cannot be used is for a person to repair. */
async function composeOrExplain(...args: Parameters<typeof compose>): ReturnType<typeof compose> {
  try {
    return await compose(...args);
  } catch (error) {
    const codes: readonly unknown[] = ["DATABASE_UNAVAILABLE", "ENVIRONMENT_STATE", "UNSUPPORTED"];
    if (!(error instanceof PlatformError && codes.includes(error.code))) throw error;
    throw new StartError(error.message);
  }
}

async function listen(app: Awaited<ReturnType<typeof createApp>>, port: number): Promise<void> {
  try {
    await app.listen({ host: LISTEN_ADDRESS, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") throw new StartError(await explainPortInUse(port));
    if (code === "EACCES") throw new StartError(`Port ${port} needs privileges. Try: ./microterm up --port 7681`);
    throw error;
  }
}

async function listenMetrics(prometheus: Prometheus, port: number): ReturnType<typeof listenForMetrics> {
  try {
    return await listenForMetrics(prometheus, { host: LISTEN_ADDRESS, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EADDRINUSE" && code !== "EACCES") throw error;
    const why = code === "EACCES" ? "needs privileges" : "is taken";
    throw new StartError(`The port ${port} of --metrics ${why}. Try: ./microterm up --metrics with another one`);
  }
}

function createLogger(config: Config, folder: string): pino.Logger {
  const destination = config.log === "stdout" ? process.stdout : createLogFile(join(folder, "server.log"));
  const mixin = () => {
    const request = currentRequestId();
    return request === undefined ? {} : { request };
  };
  return pino({ base: null, level: config.logLevel, timestamp: pino.stdTimeFunctions.isoTime, mixin }, destination);
}
