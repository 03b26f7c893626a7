import { existsSync } from "node:fs";
import { defaultOvercommit, formatOvercommit, plainText } from "@microterm/protocol";
import { resumeLeft } from "../backup/paused.ts";
import { type Binaries, buildBinaries, buildPage, ensureImage } from "../build/build.ts";
import { buildOf, ownBuild, versionOf } from "../build/build-name.ts";
import { type AcceleratorVerdict, detectAccelerator, rememberedAccelerator } from "../daemon/accelerator.ts";
import { connect, type DaemonNetwork, ensureDaemon } from "../daemon/daemon.ts";
import { foreignOwner } from "../data/data-owner.ts";
import { chooseDatabase, rememberDatabase } from "../data/database.ts";
import { cacheFolder, type DataPaths, dataPaths } from "../data/paths.ts";
import { readLog } from "../data/plain-files.ts";
import { certificateCheck } from "../doctor/certificate-check.ts";
import { assertFirecracker, chooseDriver, firecrackerStatus } from "../firecracker/driver-choice.ts";
import { findFirecracker } from "../firecracker/programs.ts";
import { createProgress, type Progress, SetupError, SHOWN } from "../progress.ts";
import { prepareFolders, serverAccount } from "../server/account.ts";
import { createApi, lastNetwork, rememberUp } from "../server/environments.ts";
import { describeExposure } from "../server/exposure.ts";
import { assertShared } from "../server/fleet-options.ts";
import {
  argumentsOf,
  type RunningServer,
  runningServer,
  signInLink,
  startServer,
  stopServer,
  TokenRefused,
} from "../server/server-process.ts";
import { lacks } from "./lacks.ts";
import { DEFAULT_PORT, type UpOptions } from "./options.ts";

/** `microterm up`: set up what is missing, start daemon and server, print the address. Returns the exit code. */
export async function up(options: UpOptions): Promise<number> {
  const started = performance.now();
  const progress = createProgress();
  const paths = dataPaths(options.data);
  const owner = foreignOwner(paths.data);
  if (owner !== null) {
    throw new SetupError(
      `root starts nothing in the data folder ${paths.data}, which belongs to ${owner.name}`,
      `run it as ${owner.name}, or choose another folder: ./microterm up --data DIR`,
    );
  }
  const cache = cacheFolder();
  if (options.driver === "firecracker") {
    const found = findFirecracker({ env: process.env, cache });
    assertFirecracker({ found, accelerator: await triedAccelerator(paths), hasKvm: existsSync("/dev/kvm") });
  }
  if (existsSync(paths.restoring)) {
    throw new SetupError(`a restore into ${paths.data} was cut off`, "repeat it: ./microterm restore FILE");
  }
  const databaseUrl = chooseDatabase(paths, process.env);
  assertShared(options.fleet, databaseUrl);
  const build = ownBuild();
  let isReplaced = false;
  const already = await runningServer(paths);
  if (already !== null) {
    const link = await linkOrRestart(already, options, paths, progress);
    isReplaced = link !== null && buildOf(already) !== build;
    if (isReplaced) {
      const versions = `${versionOf(buildOf(already))}; this is ${versionOf(build)}`;
      progress.note(`The server that runs is of other code (${versions}): replacing it. Environments live on.`);
    } else if (link !== null) {
      progress.note(`microterm runs already (pid ${already.pid}).`);
      await resumeLeft(paths, createApi(already), progress);
      announce(already, link);
      return 0;
    }
  }

  const certificate = options.listen.find(([option]) => option === "--tls-cert")?.[1] ?? null;
  for (const { status, text } of certificateCheck(certificate)) if (status !== "ok") progress.note(`${text}.`);
  const account = await serverAccount();
  prepareFolders(paths, account);
  const binaries = await buildBinaries(cache, progress);
  await buildPage(progress);
  const network = { uplink: options.uplink, allowPrivate: [...options.allowPrivate] };
  const machines =
    options.driver === "process" || options.driver === "kubernetes"
      ? null
      : await prepareMachines({
          ...{ paths, cache, binaries, serverUid: account.uid, wanted: options.driver, network, progress, isReplaced },
        });
  // Until here the earlier one serves.
  if (isReplaced) await stopServer(paths);
  const args = [
    "serve",
    ...["--data", paths.data],
    ...(machines?.args ?? driverArgs(options, binaries)),
    ...networkArgs(options),
    ...["--templates", "--pool", String(options.pool)],
    ...["--scrollback", String(options.scrollback)],
    ...(options.allowHost.length > 0 ? ["--allow-host", options.allowHost.join(",")] : []),
    ...options.listen.flat(),
    ...options.fleet.flat(),
    ...(options.previewDomain === null ? [] : ["--preview-domain", options.previewDomain]),
    ...(options.anonymousLinks === null ? [] : ["--anonymous-links", options.anonymousLinks]),
    ...["--idle-timeout", String(options.idleTimeout), "--ttl", String(options.ttl)],
    ...["--overcommit", formatOvercommit(options.overcommit ?? defaultOvercommit(options.driver))],
    ...(options.oidc === null ? [] : ["--oidc", options.oidc]),
    ...(options.localAccounts === null ? [] : ["--local-accounts", options.localAccounts]),
    ...(options.auditDays === null ? [] : ["--audit-days", String(options.auditDays)]),
    ...(options.auditArguments ? ["--audit-arguments"] : []),
    ...["--build", build, "--log-level", options.logLevel],
    ...(options.metrics === null ? [] : ["--metrics", String(options.metrics)]),
    ...(process.env.MICROTERM_TEST_FAULTS === "1" ? ["--test-faults"] : []),
  ];
  rememberUp(paths, { daemon: binaries.daemon, image: machines?.image ?? null, args, network });

  if (options.driver === "kubernetes")
    progress.note(
      "The server proves what the cluster's pods are kept from, where that is not known: minutes where nodes pull the image first.",
    );
  const forgetDatabase = rememberDatabase(paths, databaseUrl);
  const server = await startServer({
    paths,
    account,
    detach: options.detach,
    args: [...args, "--port", String(portFor(options, already))],
  }).catch((error: unknown) => {
    forgetDatabase();
    throw error;
  });
  const link = await signInLink(server);
  await resumeLeft(paths, createApi(server), progress);
  progress.note(`Ready in ${((performance.now() - started) / 1000).toFixed(1)} s.`);
  announce(server, link);
  if (options.detach) return 0;
  progress.note("Ctrl-C stops the server; environments live on.");
  return foreground(server, paths);
}

/** What was found out of this host, as far as a daemon runs that knows which QEMU that was with. */
async function triedAccelerator(paths: DataPaths): Promise<AcceleratorVerdict | null> {
  const daemon = await connect(paths);
  try {
    return daemon === null ? null : rememberedAccelerator(paths, (await daemon.hello()).qemu);
  } finally {
    daemon?.close();
  }
}

/** Of a driver that needs nothing of this host. */
const driverArgs = ({ driver, cluster }: UpOptions, { agent }: Binaries): readonly string[] =>
  driver === "kubernetes" ? ["--driver", driver, ...cluster.flat()] : ["--driver", "process", "--agent", agent];

/** What the server is told of networks; their names and rules follow the same private networks. */
export const networkArgs = ({
  network,
  allowPrivate,
}: Pick<UpOptions, "network" | "allowPrivate">): readonly string[] => [
  ...(network === null ? [] : ["--network", network]),
  ...(allowPrivate.length > 0 ? ["--allow-private", allowPrivate.join(",")] : []),
];

/** Where people have the page open, unless another port is asked for. */
function portFor({ port }: UpOptions, earlier: RunningServer | null): number {
  return earlier !== null && port === DEFAULT_PORT ? Number(new URL(earlier.url).port) : port;
}

/** A link of the server that runs; null when it was ended, because it does not take its own token, or lacks something that is asked for. */
async function linkOrRestart(
  server: RunningServer,
  options: UpOptions,
  paths: DataPaths,
  progress: Progress,
): Promise<string | null> {
  try {
    const link = await signInLink(server);
    const lacking = lacks(argumentsOf(server.pid), options, lastNetwork(paths));
    if (lacking.length === 0) return link;
    progress.note(`microterm runs already, without ${lacking.join(", ")}: starting it again. Environments live on.`);
    await stopServer(paths);
    return null;
  } catch (error) {
    if (!(error instanceof TokenRefused)) throw error;
    progress.note(`${error.message}: starting it again. Environments live on.`);
    await stopServer(paths);
    return null;
  }
}

interface MachineSetUp {
  readonly paths: DataPaths;
  readonly cache: string;
  readonly binaries: Binaries;
  readonly serverUid: number;
  readonly wanted: Exclude<UpOptions["driver"], "process" | "kubernetes">;
  readonly network: DaemonNetwork;
  readonly progress: Progress;
  /** A server of other code runs. */
  readonly isReplaced: boolean;
}

interface Machines {
  readonly image: { readonly path: string; readonly key: string };
  readonly args: readonly string[];
}

/** Image, daemon, accelerator and driver; resolves with the server's arguments for them. */
async function prepareMachines(setUp: MachineSetUp): Promise<Machines> {
  const { paths, cache, binaries, serverUid, wanted, network, progress } = setUp;
  const found = findFirecracker({ env: process.env, cache });
  const [firecracker, absence] = "absence" in found ? [null, found.absence] : [found, null];
  const image = await ensureImage(cache, binaries.agent, progress);
  // A server of other code need not understand the daemon of this one.
  if (setUp.isReplaced) await stopServer(paths);
  const daemon = await ensureDaemon({
    ...{ paths, binary: binaries.daemon, image, serverUid, firecracker, network, progress },
  });
  try {
    const verdict = await detectAccelerator(paths, daemon, image.key, progress);
    if (verdict.accelerator === "tcg") {
      progress.note(
        `Guests are emulated, because ${verdict.reason}. Slow, and no security boundary: don't run untrusted code.`,
      );
    }
    const status = firecrackerStatus(await daemon.hello(), absence);
    const choice = chooseDriver({ wanted, accelerator: verdict, firecracker: status });
    progress.note(`Driver: ${choice.driver} (${choice.reason}).`);
    const args = [
      ...["--driver", choice.driver, "--driver-reason", choice.reason, "--image", image.key],
      ...(choice.driver === "qemu" ? ["--accelerator", verdict.accelerator] : []),
      ...["--accelerator-reason", verdict.reason],
    ];
    return { image, args };
  } finally {
    daemon.close();
  }
}

/**
 * The one line on stdout, and what is open to whom; below SSH, where nothing is, the command that brings the page to the person's own
 * machine.
 */
function announce(server: RunningServer, link: string): void {
  process.stdout.write(`${link}\n`);
  if (server.exposure !== undefined) {
    process.stderr.write(`Open to others: ${describeExposure(server.exposure)}\n`);
    return;
  }
  const tunnel = sshTunnel(server.url, process.env);
  if (tunnel !== null) process.stderr.write(`From your own machine, first: ${tunnel}\n`);
}

/** `SSH_CONNECTION` is "client port server port" (ssh(1)). */
export function sshTunnel(url: string, env: NodeJS.ProcessEnv): string | null {
  const address = env.SSH_CONNECTION?.split(" ")[2];
  if (address === undefined) return null;
  const { port } = new URL(url);
  return `ssh -L ${port}:127.0.0.1:${port} ${env.USER ?? "you"}@${address}`;
}

/** A second of a log. */
const MOST_SAID = 64 * 1024;

async function foreground(server: Awaited<ReturnType<typeof startServer>>, paths: DataPaths): Promise<number> {
  let said = readLog(paths.startLog, 0).end;
  // What the keeper says when it starts the server again.
  const listen = setInterval(() => {
    const { text, end } = readLog(paths.startLog, MOST_SAID, said);
    said = end;
    for (const line of text.split("\n").filter((one) => one.includes(" microterm: ")))
      process.stderr.write(`${plainText(line, SHOWN)}\n`);
  }, 1000);
  const code = await server.ended;
  clearInterval(listen);
  const asked = code === 0 || code === 128 + 15 || code === 128 + 2;
  if (!asked)
    process.stderr.write(
      `microterm: the server ended with code ${code}; its environments live on.\n  Try: ./microterm up\n`,
    );
  return asked ? 0 : code;
}
