import { closeSync, existsSync, readFileSync, statSync } from "node:fs";
import { spawnDetached, spawnForeground, systemCode } from "@microterm/host";
import { z } from "zod";
import { logTail } from "../daemon/daemon.ts";
import { databaseEnvironment, rememberedDatabase } from "../data/database.ts";
import type { DataPaths } from "../data/paths.ts";
import { openLog } from "../data/plain-files.ts";
import { SetupError } from "../progress.ts";
import { asServer, type ServerAccount, serverEnvironment } from "./account.ts";
import { podPlaceOf } from "./cluster-options.ts";
import { Exposure } from "./exposure.ts";
import { endKeepers, kept } from "./keeper.ts";
import { readServerFiles } from "./server-files.ts";

/** Written by the server, which root need not trust: the token goes to this host alone, and all of it is shown. */
const ServerJson = z.object({
  url: z.string().regex(/^http:\/\/127\.0\.0\.1:\d{1,5}$/),
  pid: z.number().int().positive(),
  startedAt: z.iso.datetime(),
  exposure: Exposure.optional(),
});
const Link = z.object({ token: z.string().regex(/^[a-z0-9]{1,128}$/) });
/** A server that does not know the token in its own folder: the file was changed, or is another server's. */
export class TokenRefused extends SetupError {
  constructor({ pid }: RunningServer) {
    super(`the server (pid ${pid}) does not take the token of its own data folder`, "./microterm up");
  }
}

export interface RunningServer extends z.infer<typeof ServerJson> {
  /** Opens it, as long as it runs. */
  readonly token: string;
}

/** The server of this data folder that is there, whether it answers or not, or null. Throws EACCES to who may not know. */
export function serverProcess(paths: DataPaths): RunningServer | null {
  try {
    const { uid, json, token } = readServerFiles(paths.server);
    const server = ServerJson.parse(JSON.parse(json));
    // Without this, a file that a crash has left would send the token to the process that has that port by now.
    return isServer(server.pid, uid, paths) ? { ...server, token } : null;
  } catch (error) {
    if (systemCode(error) === "EACCES") throw error;
    return null;
  }
}

/** The server that answers for this data folder now, or null. */
export async function runningServer(paths: DataPaths): Promise<RunningServer | null> {
  const server = serverProcess(paths);
  if (server === null) return null;
  try {
    const answer = await fetch(`${server.url}/healthz`, { signal: AbortSignal.timeout(2000) });
    return answer.ok ? server : null;
  } catch {
    return null;
  }
}

/** Whether this pid is a server of this data folder's: it may have been given to somebody else since, or never been one. */
export function isServer(pid: number, uid: number, paths: DataPaths): boolean {
  try {
    if (statSync(`/proc/${pid}`).uid !== uid) return false;
    const command = argumentsOf(pid);
    return command.includes("serve") && command.includes(paths.data);
  } catch {
    return false;
  }
}

/** Ends the server of this data folder, whether it answers or not, and waits until it has. Environments live on. */
export async function stopServer(paths: DataPaths): Promise<void> {
  // Also one that is too busy to answer: its folder must not be removed below it.
  const server = serverProcess(paths);
  // Its keeper passes the signal on; two would end it in mid-sentence.
  const isKept = await endKeepers(paths);
  if (server === null) return;
  const { uid } = statSync(paths.server);
  if (!isKept) process.kill(server.pid, "SIGTERM");
  const deadline = Date.now() + 15_000;
  while (existsSync(`/proc/${server.pid}`)) {
    if (!isServer(server.pid, uid, paths)) return;
    if (Date.now() > deadline) {
      process.kill(server.pid, "SIGKILL");
      throw new SetupError(`the server (pid ${server.pid}) did not stop in 15 s and was killed`, "./microterm status");
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Throws where there is no such process. */
export const argumentsOf = (pid: number): readonly string[] => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");

const READY_MS = 60_000;
/** One that proves its cluster first, whose nodes may have to pull the image. */
const CLUSTER_READY_MS = 300_000;

interface ServerStart {
  readonly paths: DataPaths;
  readonly account: ServerAccount;
  readonly args: readonly string[];
  readonly detach: boolean;
}

/** A started server: its address, and when it ends (its exit code), for `up` in the foreground. */
export interface StartedServer extends RunningServer {
  readonly ended: Promise<number>;
  stop(): void;
}

/** Starts the server and waits until it is ready. Rejects with a {@link SetupError} that holds what the server said. */
export async function startServer(start: ServerStart): Promise<StartedServer> {
  // One of before may be about to start its server again.
  await endKeepers(start.paths);
  const command = asServer(start.account, start.paths, start.args, kept);
  const log = openLog(start.paths.startLog, "truncated");
  const options = { stdout: log, stderr: log, env: serverEnvironmentOf(rememberedDatabase(start.paths)) };
  const child = start.detach ? spawnDetached(command, options) : spawnForeground(command, options);
  closeSync(log);
  let exit: number | null = null;
  void child.ended.then((code) => {
    exit = code;
  });
  const mostMs = podPlaceOf(start.args) === null ? READY_MS : CLUSTER_READY_MS;
  const deadline = Date.now() + mostMs;
  for (;;) {
    const server = await runningServer(start.paths);
    if (server !== null && (await isReady(server.url)))
      return { ...server, ended: child.ended, stop: () => child.kill("SIGTERM") };
    if (exit !== null || Date.now() > deadline) {
      const said = logTail(start.paths.startLog);
      if (exit === null) child.kill("SIGKILL");
      throw new SetupError(
        exit === null
          ? `the server is not ready after ${mostMs / 1000} s:\n${said}`
          : said.trim() || `the server ended with code ${exit}`,
        "./microterm doctor",
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** The whole environment of a server, or of a command of its package, on a PostgreSQL or on SQLite (null). */
export const serverEnvironmentOf = (databaseUrl: string | null): Record<string, string> => ({
  ...serverEnvironment(),
  ...databaseEnvironment(databaseUrl),
});

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5000) })).ok;
  } catch {
    return false;
  }
}

/** A fresh one-time sign-in link, asked of the running server with the data folder's own token. */
export async function signInLink(server: RunningServer): Promise<string> {
  const answer = await fetch(`${server.url}/v1/links`, {
    method: "POST",
    headers: { authorization: `Bearer ${server.token}` },
    signal: AbortSignal.timeout(5000),
  });
  if (answer.status === 401) throw new TokenRefused(server);
  if (!answer.ok) throw new SetupError(`the server gave no sign-in link (HTTP ${answer.status})`, "./microterm open");
  const link = Link.parse(await answer.json());
  return `${server.exposure?.publicUrl ?? server.url}/sign-in#token=${link.token}`;
}
