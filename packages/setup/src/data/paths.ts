import { createHash } from "node:crypto";
import { existsSync, mkdirSync, realpathSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { SetupError } from "../progress.ts";
import { whoElseMayChange } from "./trusted-path.ts";

/** The checkout this file belongs to. */
export const CHECKOUT = resolve(import.meta.dirname, "../../../..");

/** The account the server drops to when root starts it. */
export const SERVICE_USER = "microterm";

/** Where one data folder keeps its things; see docs/reference/http-api.md and host-protocol.md. */
export interface DataPaths {
  readonly data: string;
  readonly server: string;
  readonly host: string;
  readonly daemonSocket: string;
  readonly daemonLog: string;
  /** What the server said while it started. */
  readonly startLog: string;
  /** Where the checkout is mounted for a server that root has started. */
  readonly app: string;
  readonly accelerator: string;
  readonly lastUp: string;
  /** What a restore leaves while it is under way. */
  readonly restoring: string;
  /** What backups have paused, each environment a file. */
  readonly pausedByBackup: string;
  /** Of its PostgreSQL, where it has one. */
  readonly databaseUrl: string;
}

export function dataPaths(data: string): DataPaths {
  const root = resolve(data);
  return {
    data: root,
    server: join(root, "server"),
    host: join(root, "host"),
    daemonSocket: join(root, "host/run/host.sock"),
    daemonLog: join(root, "daemon.log"),
    startLog: join(root, "server-start.log"),
    app: join(root, "app"),
    accelerator: join(root, "accelerator.json"),
    lastUp: join(root, "last-up.json"),
    restoring: join(root, "restoring.json"),
    pausedByBackup: join(root, "paused-by-backup"),
    databaseUrl: join(root, "database-url"),
  };
}

/** What is built once and shared by all data folders: binaries and images, each under the hash of its sources. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const folder =
    env.MICROTERM_CACHE ||
    (env.XDG_CACHE_HOME ? join(env.XDG_CACHE_HOME, "microterm") : null) ||
    (userInfo().uid === 0 ? "/var/cache/microterm" : join(homedir(), ".cache/microterm"));
  mkdirSync(folder, { recursive: true });
  if (userInfo().uid === 0) refuseOthers(folder);
  return resolve(folder);
}

/** Root runs what lies here. */
function refuseOthers(cache: string): void {
  const why = whoElseMayChange(cache);
  if (why === null) return;
  throw new SetupError(
    `root runs nothing from the cache ${cache}: ${why}`,
    "unset MICROTERM_CACHE and XDG_CACHE_HOME, or name a folder of root's",
  );
}

/** Eight characters that name a data folder in everything made outside it (cgroups, uid claims), also after it was removed. */
export function instanceName(data: string): string {
  const path = existsSync(data) ? realpathSync(data) : resolve(data);
  return createHash("sha256").update(path).digest("hex").slice(0, 8);
}
