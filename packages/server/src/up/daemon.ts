import { closeSync, openSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import {
  connectUnix,
  createHostDaemonClient,
  type HostDaemonClient,
  hostCodeOf,
  plainText,
  runInteractive,
  systemCode,
} from "@microterm/host";
import { type DataPaths, instanceName } from "./paths.ts";
import { type Progress, SetupError } from "./progress.ts";

interface DaemonStart {
  readonly paths: DataPaths;
  readonly binary: string;
  readonly image: { readonly path: string; readonly key: string };
  readonly serverUid: number;
  readonly progress: Progress;
}

/**
 * Makes sure that the daemon of this data folder runs, is of this build and has the image, whole.
 * One that is older is stopped first; machines do not notice.
 */
export async function ensureDaemon(start: DaemonStart): Promise<HostDaemonClient> {
  const running = await connect(start.paths);
  if (running !== null) {
    const mend = await whatIsWrong(running, start);
    if (mend === null) return running;
    running.close();
    start.progress.note(`  ${mend}`);
    await stopDaemon(start.paths);
  }
  const step = start.progress.step("Starting microterm-host (as root)");
  const logged = logText(start.paths.daemonLog).length;
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
      const corrupt = /the installed image is corrupt .*/.exec(logText(start.paths.daemonLog).slice(logged));
      if (corrupt !== null) start.progress.note(`  microterm-host says: ${corrupt[0]}`);
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
  if (!hello.images.includes(start.image.key)) return "The image is new: starting the daemon again, with it.";
  const verdict = await daemon.verifyImage(start.image.key);
  if (verdict.ok) return null;
  await asRoot(["rm", "-rf", "--", `${start.paths.host}/images/${start.image.key}`]);
  return `The installed image is corrupt (${verdict.bad.join(", ")}): installing it again.`;
}

async function launchDaemon(start: DaemonStart): Promise<void> {
  const log = openSync(start.paths.daemonLog, "a", 0o600);
  try {
    const command = [
      // In a session of its own and without a hand on the terminal that started it, which it outlives; sudo needs that before.
      ...["sh", "-c", 'exec setsid --fork "$@" < /dev/null', "sh", start.binary, "serve"],
      ...["--data", start.paths.data],
      ...["--server-uid", String(start.serverUid)],
      ...["--instance", instanceName(start.paths.data)],
      ...["--image-import", start.image.path],
      ...(process.env.MICROTERM_TEST_FAULTS === "1" ? ["--test-faults"] : []),
    ];
    await asRoot(command, { stdout: log, stderr: log });
  } finally {
    closeSync(log);
  }
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

/** The socket is its server's user's alone, and root's; whoever can open it all the same is turned away by the daemon. */
const isRefusal = (error: unknown): boolean => systemCode(error) === "EACCES" || hostCodeOf(error) === "denied";

/** Machines that wait in the pool, or of which a template was being made: nobody's, with disks of their own. */
export async function endUnclaimed(paths: DataPaths): Promise<void> {
  const daemon = await connect(paths);
  if (daemon === null) return;
  try {
    for (const { machineId, diskId, environment } of (await daemon.list()).machines) {
      // What a claimed machine belonged to has been stopped, and the machine with it.
      if (environment !== null) continue;
      await daemon.kill(machineId);
      if (diskId === machineId) await daemon.removeDisk(diskId);
    }
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
  // The shell's own kill: a minimal Debian has no program of that name.
  await asRoot(["sh", "-c", 'kill -TERM "$1"', "sh", String(supervisorPid)]);
  const deadline = Date.now() + 10_000;
  while ((await connect(paths)) !== null) {
    if (Date.now() > deadline)
      throw new SetupError(`microterm-host (pid ${supervisorPid}) does not stop`, `kill -9 ${supervisorPid}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return true;
}

/**
 * Runs a command as root: through sudo, which may ask for the password on the terminal, where we are not root.
 * Rejects when it fails. Its output goes to the descriptors, or to our stderr.
 */
export async function asRoot(
  command: readonly string[],
  output: { stdout: number; stderr: number } = { stdout: 2, stderr: 2 },
): Promise<void> {
  const sudo = userInfo().uid === 0 ? [] : ["sudo", ...(process.stdin.isTTY ? [] : ["-n"]), "--"];
  const code = await runInteractive([...sudo, ...command], output);
  if (code === 0) return;
  throw new SetupError(
    `'${[...sudo, ...command].join(" ")}' failed with exit code ${code}`,
    sudo.length > 0
      ? "run it where sudo can ask for your password, or as root: sudo ./microterm up"
      : "./microterm doctor",
  );
}

function isSameBinary(pid: number, binary: string): boolean {
  try {
    // The supervisor's command line: the daemon below it runs a copy, and /proc/PID/exe of root can't be read by others.
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0] === binary;
  } catch {
    return false;
  }
}

/** A log's last lines, made safe to show: the server's own words are among them. */
export function logTail(path: string): string {
  const lines = logText(path).split("\n").slice(-12);
  return lines.map((line) => plainText(line)).join("\n") || "(no log)";
}

function logText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
