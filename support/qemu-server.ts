import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { withDeadline } from "@microterm/host";
import type { CreateEnvironment } from "@microterm/protocol";
import { type DataPaths, dataPaths } from "../packages/setup/src/data/paths.ts";
import { asServer, type ServerAccount } from "../packages/setup/src/server/account.ts";
import { send, startServer, type TestServer } from "./server.ts";
import { startTestDaemon, type TestDaemon, type TestDaemonOptions } from "./test-daemon.ts";
import type { TestHost } from "./test-host.ts";

/** Debian's `nobody`: an ordinary user that every host has. */
export const SERVER_UID = 65_534;
const ACCOUNT: ServerAccount = { uid: SERVER_UID, gid: SERVER_UID, drops: true };
/** Kept ready where there are networks. */
export const SLOTS = 2;
/** Two attempts at a boot, each with the server's deadline of a minute. */
const BOOT_MS = 150_000;

export interface QemuServerOptions extends Omit<TestDaemonOptions, "serverUid"> {
  /** Where both run, and guests have networks. Absent: here, and guests have their loopback alone. */
  readonly host?: TestHost;
  /** A fault point of core, armed for the first server. */
  readonly serverFault?: string;
  /** More arguments for every server. */
  readonly serverArgs?: readonly string[];
  /** What makes machines; a QEMU that emulates, which runs everywhere, when absent. */
  readonly vmm?: { readonly driver: "qemu" | "firecracker"; readonly accelerator: "tcg" | "kvm" };
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A real daemon as root, and a real server on one of its drivers as an ordinary user, as `up` runs them. */
export interface QemuServer {
  readonly daemon: TestDaemon;
  /** The one that runs now. */
  readonly server: TestServer;
  /**
   * Starts a server where none runs, perhaps with a fault point armed, on a free port or this one, and with a calendar that is so
   * many ms ahead. Resolves when it is ready.
   */
  startServer(fault?: string, port?: number, aheadMs?: number): Promise<TestServer>;
  /** SIGKILL, and another server on the same port. */
  restartServer(): Promise<TestServer>;
  /** A running environment's id. 128 MiB of memory and 256 MiB of disk unless said. */
  create(request?: CreateEnvironment): Promise<string>;
  /** Waits for one of the states. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it as they like.
  until(id: string, ...states: readonly string[]): Promise<any>;
  /** Runs a script with the guest's `sh -c`, as `dev`. */
  run(id: string, script: string, timeoutMs?: number): Promise<Ran>;
  /** Destroys every environment, ends both, searches the host. Rejects when anything is left. */
  close(): Promise<void>;
}

export async function startQemuServer(options: QemuServerOptions = {}): Promise<QemuServer> {
  const { host } = options;
  const daemon = await startTestDaemon({
    ...options,
    serverUid: SERVER_UID,
    ...(host && { wrap: (command) => host.inside([...command, "--slots", String(SLOTS)]) }),
  });
  const paths = dataPaths(daemon.data);
  chmodSync(daemon.data, 0o711);
  mkdirSync(paths.app);
  const codeCache = join(tmpdir(), `microterm-test-code-${SERVER_UID}`);
  for (const folder of [paths.server, codeCache]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chownSync(folder, ACCOUNT.uid, ACCOUNT.gid);
  }
  let server: TestServer | null = null;
  let isDead = false;

  const start = async (fault?: string, port = host?.port ?? 0, aheadMs = 0): Promise<TestServer> => {
    const enter = host?.inside ?? ((command) => command);
    server = await startServer({
      data: daemon.data,
      args: ["--port", String(port), ...(options.serverArgs ?? [])],
      driver: [...driverArgs(options.vmm), "--image", daemon.image.key, "--test-faults"],
      command: (args) => enter(asServer(ACCOUNT, paths, args)),
      env: { NODE_COMPILE_CACHE: codeCache, MICROTERM_FAULT: fault ?? "", ...ahead(paths, aheadMs) },
    });
    isDead = false;
    const { pid } = server;
    void server.ended.then(() => {
      if (server?.pid === pid) isDead = true;
    });
    return server;
  };
  const endDaemon = async (): Promise<void> => {
    try {
      if (host !== undefined) {
        // Machines of the pool outlive their server, also one that it was just starting.
        await daemon.client.settle();
        for (const { machineId } of (await daemon.client.list()).machines) await daemon.client.kill(machineId);
        await daemon.client.removeNetworks();
      }
    } finally {
      await daemon.close();
    }
  };
  const current = (): TestServer => {
    if (server === null) throw new Error("no server runs");
    return server;
  };

  const world: QemuServer = {
    daemon,
    get server() {
      return current();
    },
    startServer: start,
    async restartServer() {
      const { port } = current();
      await current().kill("SIGKILL");
      return start(undefined, port);
    },
    async create(request = {}) {
      const { id } = await current().ok("POST", "/v1/environments", { memoryMib: 128, diskMib: 256, ...request });
      await world.until(id, "running");
      return id;
    },
    until: (id, ...states) => {
      const query = states.map((state) => `state=${state}`).join("&");
      return current().ok("GET", `/v1/environments/${id}/wait?${query}&timeoutMs=${BOOT_MS}`);
    },
    async run(id, script, timeoutMs = 120_000) {
      const body = { command: ["sh", "-c", script], timeoutMs };
      const { exit, failure, stdout, stderr, timedOut } = await current().ok(
        "POST",
        `/v1/environments/${id}/exec`,
        body,
      );
      if (failure !== undefined) throw new Error(`the command did not start: ${failure.message}`);
      if (timedOut) throw new Error(`the command had not ended after ${timeoutMs} ms; it printed: ${stdout}${stderr}`);
      return { code: exit.code, stdout, stderr };
    },
    async close() {
      const left: string[] = [];
      try {
        if (server === null || isDead) await start();
        const { environments } = await current().ok("GET", "/v1/environments");
        for (const { id } of environments) {
          left.push(...(await current().ok("DELETE", `/v1/environments/${id}`)).left);
        }
      } finally {
        await server?.kill("SIGTERM");
        await endDaemon();
      }
      if (left.length > 0) throw new Error(`left of environments: ${left.join("; ")}`);
    },
  };
  try {
    await start(options.serverFault);
  } catch (error) {
    await endDaemon();
    throw error;
  }
  return world;
}

/** Firecracker has no accelerator but KVM. */
function driverArgs(vmm: QemuServerOptions["vmm"] = { driver: "qemu", accelerator: "tcg" }): readonly string[] {
  const accelerator = vmm.driver === "qemu" ? ["--accelerator", vmm.accelerator] : [];
  return ["--driver", vmm.driver, ...accelerator];
}

/** As the server sees the checkout. */
function ahead({ app }: DataPaths, aheadMs: number): Readonly<Record<string, string>> {
  if (aheadMs === 0) return {};
  return {
    NODE_OPTIONS: `--import=${pathToFileURL(join(app, "support/shifted-clock.ts"))}`,
    MICROTERM_TEST_CLOCK_AHEAD_MS: String(aheadMs),
  };
}

/** One of the calls that must be answered whatever guests do; rejects after `withinMs`. */
export async function answersWithin(server: TestServer, path: string, withinMs: number): Promise<number> {
  const answer = send(`${server.url}${path}`, "GET", { token: server.token });
  const late = () => new Error(`${path} was not answered within ${withinMs} ms`);
  return (await withDeadline(answer, { timeoutMs: withinMs }, late)).status;
}
