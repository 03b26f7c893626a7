import { accessSync, chmodSync, constants, lchownSync, lstatSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname } from "node:path";
import { MAX_SOCKET_PATH, runCommand } from "@microterm/host";
import { CHECKOUT, type DataPaths, SERVICE_USER } from "../data/paths.ts";
import { whoElseMayChange } from "../data/trusted-path.ts";
import { SetupError } from "../progress.ts";

/** Whom the server runs as. `drops` when root starts it and it must become somebody else first. */
export interface ServerAccount {
  readonly uid: number;
  readonly gid: number;
  readonly drops: boolean;
}

/** The service user when root asks, made where it is missing; otherwise the calling user. */
export async function serverAccount(): Promise<ServerAccount> {
  const me = userInfo();
  if (me.uid !== 0) return { uid: me.uid, gid: me.gid, drops: false };
  const existing = lookUp(SERVICE_USER);
  if (existing !== null) return { ...existing, drops: true };
  const made = await runCommand([
    ...["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"],
    ...["--shell", "/usr/sbin/nologin", "--comment", "microterm server", SERVICE_USER],
  ]);
  const account = lookUp(SERVICE_USER);
  if (account === null)
    throw new SetupError(
      `the system user '${SERVICE_USER}' could not be made: ${made.stderr}`,
      "useradd --system microterm",
    );
  return { ...account, drops: true };
}

/** `passwd(5)`: name, password, uid, gid, … */
function lookUp(name: string): { uid: number; gid: number } | null {
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [user, , uid, gid] = line.split(":");
    if (user === name) return { uid: Number(uid), gid: Number(gid) };
  }
  return null;
}

/**
 * Makes the data folder. Started by root, only `server/` is the service user's: the rest stays root's, so that the
 * server can't replace what the daemon relies on.
 */
export function prepareFolders(paths: DataPaths, account: ServerAccount): void {
  const longest = `${paths.host}/machines/${"m".repeat(16)}/agent.sock`;
  if (Buffer.byteLength(longest) > MAX_SOCKET_PATH) {
    throw new SetupError(
      `the data folder's path is too long for unix sockets: ${paths.data}`,
      "./microterm up --data DIR, with a path of up to 60 characters",
    );
  }
  try {
    mkdirSync(paths.data, { recursive: true, mode: 0o711 });
    if (account.drops) prepareAsRoot(paths, account);
    else mkdirSync(paths.server, { recursive: true, mode: 0o700 });
    // As root this is no question; any other caller is the server's user.
    accessSync(paths.server, constants.W_OK);
  } catch (error) {
    const owner = ownerOf(paths.data);
    throw new SetupError(
      `the data folder ${paths.data} can't be used${owner === null ? "" : ` (it belongs to uid ${owner})`}: ${(error as Error).message}`,
      "./microterm up --data DIR",
      { cause: error },
    );
  }
}

/** A user who could put a link into the data folder would choose what root gives away, and where it writes. */
function prepareAsRoot(paths: DataPaths, account: ServerAccount): void {
  const why = whoElseMayChange(paths.data);
  if (why !== null) throw new Error(why);
  // It may be a folder with other things in it: nothing but the way through is opened.
  chmodSync(paths.data, (statSync(paths.data).mode & 0o777) | 0o011);
  mkdirSync(paths.server, { recursive: true, mode: 0o700 });
  mkdirSync(paths.app, { recursive: true });
  if (!lstatSync(paths.server).isDirectory()) throw new Error(`${paths.server} is no folder`);
  lchownSync(paths.server, account.uid, account.gid);
  refuseUnreachable(paths.data);
}

/** The service user is in no group of root's: every folder above the data must let others through (x). */
function refuseUnreachable(data: string): void {
  for (let folder = dirname(data); folder !== "/"; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) {
      throw new Error(`the user '${SERVICE_USER}' can't pass through ${folder} (chmod o+x ${folder})`);
    }
  }
}

function ownerOf(path: string): number | null {
  try {
    return statSync(path).uid;
  } catch {
    return null;
  }
}

/** Wraps a command in another that runs it. */
type Keep = (paths: DataPaths, command: readonly string[]) => readonly string[];

/**
 * The command that runs Node as the server's account, with no way to more rights: whatever it starts gains none by set-uid programs.
 *
 * Started by root, the checkout may lie where the service user can't go (/root): it is bound to a folder of the data
 * folder in a mount namespace of the server's own, which is gone with the server. All capabilities are dropped and
 * no-new-privileges is set before Node starts. `keep` says what runs it there (`kept`: starts it again when it dies); without, the
 * command's process is the server.
 */
export function asServer(
  account: ServerAccount,
  paths: DataPaths,
  args: readonly string[],
  keep: Keep = (_paths, command) => command,
): readonly string[] {
  const relative = process.execPath.slice(CHECKOUT.length + 1);
  const command = (checkout: string, node: string) =>
    keep(paths, [node, `${checkout}/packages/server/src/main.ts`, ...args]);
  if (!account.drops)
    return ["setpriv", "--no-new-privs", "--inh-caps=-all", "--", ...command(CHECKOUT, process.execPath)];
  const enter = 'mount --bind -- "$1" "$2" && cd / && shift 2 && exec "$@"';
  return [
    ...["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", enter, "sh", CHECKOUT, paths.app],
    ...["setpriv", `--reuid=${account.uid}`, `--regid=${account.gid}`, "--clear-groups", "--no-new-privs"],
    ...["--inh-caps=-all", "--bounding-set=-all", "--"],
    ...command(paths.app, `${paths.app}/${relative}`),
  ];
}

/** What the server's process may know of our environment: no secrets of the user who starts it. */
export function serverEnvironment(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const kept = ["PATH", "LANG", "TZ", "MICROTERM_FAULT", "MICROTERM_DEADLINE_FACTOR"];
  return {
    NODE_NO_WARNINGS: "1",
    ...Object.fromEntries(kept.flatMap((key) => (env[key] === undefined ? [] : [[key, env[key]]]))),
  };
}
