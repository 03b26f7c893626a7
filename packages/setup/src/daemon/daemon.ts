import { closeSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { connectUnix, createHostDaemonClient, type HostDaemonClient, hostCodeOf, systemCode } from "@microterm/host";
import { plainText } from "@microterm/protocol";
import { type DataPaths, instanceName } from "../data/paths.ts";
import { openLog, readLog } from "../data/plain-files.ts";
import type { FirecrackerPrograms } from "../firecracker/programs.ts";
import { type Progress, SetupError, SHOWN } from "../progress.ts";
import { asRoot } from "./root-commands.ts";
import { rootCopy, rootFirecracker } from "./root-copy.ts";
import { endSupervisor } from "./supervisor.ts";

const LOG_TAIL_BYTES = 64 * 1024;

/** What the host's networks are made by. */
export interface DaemonNetwork {
  /** The device towards the internet; null: that of the default route. */
  readonly uplink: string | null;
  /** Private networks of the operator's that guests may reach, as their policy says. */
  readonly allowPrivate: readonly string[];
}

/** Slots that wait to be used: more than creates come at once. */
const SLOTS = 8;

interface DaemonStart {
  readonly paths: DataPaths;
  readonly binary: string;
  readonly image: { readonly path: string; readonly key: string };
  readonly serverUid: number;
  /** Null: there is none. */
  readonly firecracker: FirecrackerPrograms | null;
  readonly network: DaemonNetwork;
  readonly progress: Progress;
}

/**
 * Makes sure that the daemon of this data folder runs, is of this build and has the image, whole.
 * One that is older is stopped first; machines do not notice.
 */
export async function ensureDaemon(wanted: DaemonStart): Promise<HostDaemonClient> {
  const firecracker = wanted.firecracker === null ? null : await rootFirecracker(wanted.firecracker);
  const start = { ...wanted, firecracker, binary: await rootCopy(wanted.binary) };
  const running = await connect(start.paths);
  if (running !== null) {
    const fault = await whatIsWrong(running, start);
    if (fault === null) return running;
    running.close();
    start.progress.note(`  ${fault}`);
    await stopDaemon(start.paths);
  }
  const step = start.progress.step("Starting microterm-host (as root)");
  const logged = readLog(start.paths.daemonLog, 0).end;
  await launchDaemon(start);
  const deadline = Date.now() + 60_000;
  for (;;) {
    // Its socket is root's for a moment, until it is given to us.
    const client = await connect(start.paths).catch((error: unknown) => {
      if (Date.now() > deadline) throw error;
      return null;
    });
    if (client !== null) {
      step.done();
      const corrupt = /the installed image is corrupt .*/.exec(
        readLog(start.paths.daemonLog, LOG_TAIL_BYTES, logged).text,
      );
      if (corrupt !== null) start.progress.note(`  microterm-host says: ${plainText(corrupt[0], SHOWN)}`);
      return client;
    }
    if (Date.now() > deadline) {
      const said = logTail(start.paths.daemonLog);
      throw new SetupError(
        `microterm-host did not start within 60 s; the end of its log:\n${said}`,
        "./microterm doctor",
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

/** Null when the running daemon will do; else what to tell, after whatever stood in the way has been removed. */
async function whatIsWrong(daemon: HostDaemonClient, start: DaemonStart): Promise<string | null> {
  const hello = await daemon.hello();
  if (!isSameBinary(hello.supervisorPid, start.binary)) return "The daemon is of another build: starting it again.";
  if (!hasFirecracker(hello.supervisorPid, start.firecracker))
    return "Firecracker is another one: starting the daemon again.";
  if (!hasNetwork(hello.supervisorPid, start.network)) return "The network is another one: starting the daemon again.";
  if (!hello.images.includes(start.image.key)) return "The image is new: starting the daemon again, with it.";
  const verdict = await daemon.verifyImage(start.image.key);
  if (verdict.ok) return null;
  await asRoot(["rm", "-rf", "--", `${start.paths.host}/images/${start.image.key}`]);
  return `The installed image is corrupt (${plainText(verdict.bad.join(", "), SHOWN)}): installing it again.`;
}

async function launchDaemon(start: DaemonStart): Promise<void> {
  const log = openLog(start.paths.daemonLog);
  try {
    const command = [
      // In a session of its own and without a hand on the terminal that started it, which it outlives; sudo needs that before.
      ...["sh", "-c", 'exec setsid --fork "$@" < /dev/null', "sh", start.binary, "serve"],
      ...["--data", start.paths.data],
      ...["--server-uid", String(start.serverUid)],
      ...["--instance", instanceName(start.paths.data)],
      ...["--image-import", start.image.path],
      ...firecrackerArgs(start.firecracker),
      ...networkArgs(start.network),
      ...(process.env.MICROTERM_TEST_FAULTS === "1" ? ["--test-faults"] : []),
    ];
    await asRoot(command, { stdout: log, stderr: log });
  } finally {
    closeSync(log);
  }
}

const firecrackerArgs = (programs: FirecrackerPrograms | null): readonly string[] =>
  programs === null ? [] : ["--firecracker", programs.firecracker, "--jailer", programs.jailer];

function networkArgs({ uplink, allowPrivate }: DaemonNetwork): readonly string[] {
  return [
    ...["--slots", String(SLOTS)],
    ...(uplink === null ? [] : ["--uplink", uplink]),
    ...allowPrivate.flatMap((cidr) => ["--allow-private", cidr]),
  ];
}

/** Null where none runs. Rejects when one runs that does not speak to this user: to wait for it would be in vain. */
export async function connect(paths: DataPaths): Promise<HostDaemonClient | null> {
  const client = createHostDaemonClient({ socketPath: paths.daemonSocket });
  try {
    // The client waits for a daemon that is being restarted; here its absence is an answer.
    (await connectUnix(paths.daemonSocket, { timeoutMs: 1000 })).destroy();
    await client.hello();
    return client;
  } catch (error) {
    client.close();
    if (!isRefusal(error)) return null;
    throw new SetupError(
      `microterm-host of ${paths.data} runs for another user, and refuses ${userInfo().username}`,
      `run it as the user who started microterm, or end it first: sudo ./microterm down --data ${paths.data}`,
      { cause: error },
    );
  }
}

/** The socket is its server's user's alone, and root's; any other client that can open it all the same is turned away by the daemon. */
const isRefusal = (error: unknown): boolean => systemCode(error) === "EACCES" || hostCodeOf(error) === "denied";

/**
 * Ends machines that no server ended. `unclaimed`: those that wait in the pool, or of which a template was being made, with the
 * disks that are their own; `all`: claimed ones too, whose disks are kept.
 */
export async function endMachines(paths: DataPaths, which: "unclaimed" | "all" | "with their disks"): Promise<void> {
  const daemon = await connect(paths);
  if (daemon === null) return;
  try {
    for (const { machineId, diskId, environment } of (await daemon.list()).machines) {
      if (environment !== null && which === "unclaimed") continue;
      await daemon.kill(machineId);
      const isItsOwn = environment === null && diskId === machineId;
      if (diskId !== null && (isItsOwn || which === "with their disks")) await daemon.removeDisk(diskId);
    }
  } finally {
    daemon.close();
  }
}

/** Takes back all that the host has for networks, where no machine is left that needs it. */
export async function removeNetworks(paths: DataPaths): Promise<void> {
  const daemon = await connect(paths);
  if (daemon === null) return;
  try {
    await daemon.removeNetworks();
  } catch (error) {
    // An earlier daemon, which knows of no networks, has none.
    if (hostCodeOf(error) !== "bad-request") throw error;
  } finally {
    daemon.close();
  }
}

/** Stops the supervisor, which ends the daemon with it. Machines go on. */
export async function stopDaemon(paths: DataPaths): Promise<boolean> {
  const client = await connect(paths);
  if (client === null) return false;
  const { supervisorPid } = await client.hello();
  client.close();
  await endSupervisor(supervisorPid, paths.data);
  return true;
}

/** The supervisor's command line: the daemon below it runs a copy, and /proc/PID/exe of root can't be read by others. */
function argumentsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  } catch {
    return [];
  }
}

const isSameBinary = (pid: number, binary: string): boolean => argumentsOf(pid)[0] === binary;

function hasFirecracker(pid: number, programs: FirecrackerPrograms | null): boolean {
  const given = argumentsOf(pid);
  const options = ["--firecracker", "--jailer"].filter((option) => given.includes(option));
  const args = options.flatMap((option) => [option, given[given.indexOf(option) + 1]]);
  return JSON.stringify(args) === JSON.stringify(firecrackerArgs(programs));
}

function hasNetwork(pid: number, network: DaemonNetwork): boolean {
  const given = argumentsOf(pid);
  const at = given.indexOf("--slots");
  const wanted = networkArgs(network);
  // The last of its arguments, but for those of tests.
  const rest = given.slice(at).filter((argument) => argument !== "--test-faults");
  return at >= 0 && JSON.stringify(rest) === JSON.stringify(wanted);
}

/** A log's last lines, made safe to show: the server's own words are among them. */
export function logTail(path: string): string {
  const lines = readLog(path, LOG_TAIL_BYTES).text.split("\n").slice(-12);
  return lines.map((line) => plainText(line, SHOWN)).join("\n") || "(no log)";
}
