import { randomBytes } from "node:crypto";
import { open, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  createHostDaemonClient,
  DEADLINE_FACTOR,
  type HostDaemonClient,
  type Launched,
  pause,
  spawnDetached,
} from "@microterm/host";
import type { FirecrackerBinaries } from "./firecracker-binaries.ts";
import { scanHost } from "./host-scan.ts";
import { rustBinary } from "./rust-binaries.ts";
import { makeTempFolder } from "./temp-folder.ts";
import { type TestImage, testImage } from "./test-image.ts";

const START_MS = 120_000 * DEADLINE_FACTOR;
const POLL_MS = 50;
/** Set in the KVM lab (support/firecracker-binaries.ts). */
const { MICROTERM_FIRECRACKER, MICROTERM_JAILER } = process.env;
const FIRECRACKER =
  MICROTERM_FIRECRACKER === undefined || MICROTERM_JAILER === undefined
    ? undefined
    : { firecracker: MICROTERM_FIRECRACKER, jailer: MICROTERM_JAILER };
/** Exit status of a second daemon on one folder. */
const LOCKED = 3;

export interface TestDaemon {
  readonly data: string;
  readonly instance: string;
  readonly socketPath: string;
  readonly machinesDir: string;
  readonly image: TestImage;
  /** Of this daemon; it finds the next one after `restart`. */
  readonly client: HostDaemonClient;
  /** SIGKILL to the daemon itself; its supervisor starts another. */
  killDaemon(): Promise<void>;
  /** SIGKILL to supervisor and daemon, and a new pair over the same folder, perhaps with a fault point armed. */
  restart(fault?: string): Promise<void>;
  logText(): Promise<string>;
  /** Kills all machines, ends the daemon, searches the host, removes the folder. Rejects when anything is left. */
  close(): Promise<void>;
}

export interface TestDaemonOptions {
  /** A fault point of docs/reference/host-protocol.md, armed for the first start. */
  readonly fault?: string;
  /** Who may speak to it; root when absent. */
  readonly serverUid?: number;
  /** The real one when absent. */
  readonly image?: TestImage;
  /** None when absent, but in the KVM lab. */
  readonly firecracker?: FirecrackerBinaries | undefined;
  /** A folder made for it; a temporary one of its own when absent. `close` removes it in any case. */
  readonly data?: string;
  /** Makes of the command that starts it, at each start, the one that is run. `folders` are what it reads and writes. */
  readonly wrap?: (command: readonly string[], folders: readonly string[]) => readonly string[];
}

/** A real microterm-host on a folder of its own with the real image. Needs root. */
export async function startTestDaemon(options: TestDaemonOptions = {}): Promise<TestDaemon> {
  if (process.getuid?.() !== 0)
    throw new Error("tests of real machines need root: microterm-host makes jails and cgroups");
  const binary = await rustBinary("microterm-host");
  const image = options.image ?? (await testImage());
  const data = options.data ?? (await makeTempFolder()).path;
  const instance = randomBytes(4).toString("hex");
  const socketPath = join(data, "host/run/host.sock");
  const logFile = join(data, "host.log");
  const client = createHostDaemonClient({ socketPath });
  let running: Launched;

  const start = async (fault: string | undefined): Promise<void> => {
    const log = await open(logFile, "a");
    const command = [binary, "serve", "--data", data, "--server-uid", String(options.serverUid ?? 0)];
    command.push("--instance", instance, "--image-import", image.directory, "--test-faults");
    const { PATH = "/usr/bin:/bin:/usr/sbin:/sbin", MICROTERM_DEADLINE_FACTOR = "1" } = process.env;
    const env = { PATH, MICROTERM_DEADLINE_FACTOR };
    const folders = [data, dirname(binary), image.directory];
    const programs = options.firecracker ?? FIRECRACKER;
    if (programs !== undefined) {
      command.push("--firecracker", programs.firecracker, "--jailer", programs.jailer);
      folders.push(dirname(programs.firecracker), dirname(programs.jailer));
    }
    running = spawnDetached(options.wrap?.(command, folders) ?? command, {
      stdout: log.fd,
      stderr: log.fd,
      env: fault === undefined ? env : { ...env, MICROTERM_FAULT: fault },
    });
    await log.close();
    if ((await ready()) === "locked") await start(fault);
  };

  const ready = async (): Promise<"ready" | "locked"> => {
    const { ended } = running;
    let status: number | undefined;
    void ended.then((code) => {
      status = code;
    });
    for (const until = Date.now() + START_MS; Date.now() < until; await pause(POLL_MS)) {
      // Whatever the daemon before had started may hold the folder's lock for a moment longer.
      if (status === LOCKED) return "locked";
      if (status !== undefined) break;
      const hello = await client.hello().catch(() => undefined);
      if (hello?.images.includes(image.key)) return "ready";
    }
    throw new Error(`microterm-host did not come up: ${await logText()}`);
  };
  const logText = (): Promise<string> => readFile(logFile, "utf8").catch(() => "");

  const end = async (): Promise<void> => {
    running.kill("SIGTERM");
    await running.ended;
    client.close();
  };

  try {
    await start(options.fault);
  } catch (error) {
    await end();
    await rm(data, { recursive: true, force: true });
    throw error;
  }

  return {
    data,
    instance,
    socketPath,
    machinesDir: join(data, "host/machines"),
    image,
    client,
    logText,
    killDaemon: async () => {
      const { pid } = await client.hello();
      process.kill(pid, "SIGKILL");
      for (const until = Date.now() + START_MS; (await client.hello()).pid === pid; await pause(POLL_MS)) {
        if (Date.now() > until) throw new Error("the supervisor did not start another daemon");
      }
    },
    restart: async (fault) => {
      running.kill("SIGKILL");
      await running.ended;
      await start(fault);
    },
    close: async () => {
      for (const { machineId } of (await client.list()).machines) await client.kill(machineId);
      await end();
      const left = await scanHost({ data, instance });
      await rm(data, { recursive: true, force: true });
      if (left.length > 0) throw new Error(`left on the host: ${left.join("; ")}`);
    },
  };
}
