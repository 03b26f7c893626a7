import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { poll } from "./server.ts";

/** Where Debian has the programs of each version. */
const VERSIONS = "/usr/lib/postgresql";
/** PostgreSQL refuses root; any other user who runs the tests runs it as well. */
const NOBODY = 65_534;

/** A PostgreSQL of a test's own, reached by a socket in its folder. */
export interface PostgresCluster {
  /** Of a database there. */
  url(database: string): string;
  /** The socket that it listens at. */
  readonly socket: string;
  /** Stops it as a crash would. */
  crash(): Promise<void>;
  /** After a crash. */
  start(): Promise<void>;
  /** Stops and continues all its processes, which then answer nothing. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Ends it and removes its folder. */
  remove(): Promise<void>;
}

/**
 * Runs PostgreSQL in the folder $1 with the programs in $2, with fsync $3, until its standard input ends, which it does with the process that
 * has started it, however that ends; then nothing of it is left. `SIGHUP` crashes it, and `SIGUSR1` starts it again.
 */
const KEEP = `
  folder=$1; programs=$2; fsync=$3
  start() {
    "$programs/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync="$fsync" -c max_connections=200 -c autovacuum=off -c logging_collector=off >>"$folder/log" 2>&1 </dev/null &
    postmaster=$!
  }
  crash() { kill -QUIT "$postmaster"; wait "$postmaster"; }
  "$programs/initdb" -D "$folder/data" -U microterm -A trust --no-sync --no-locale -E UTF8 >>"$folder/log" 2>&1 || exit 1
  trap 'crash; echo crashed' HUP
  trap start USR1
  start
  cat >/dev/null <&3 &
  reader=$!
  while kill -0 "$reader" 2>/dev/null; do wait "$reader"; done
  trap '' HUP USR1
  kill -CONT "$postmaster" $(ps -o pid= --ppid "$postmaster") 2>/dev/null
  kill -QUIT "$postmaster" 2>/dev/null
  wait "$postmaster"
  rm -rf "$folder"
`;

/** Makes and starts one, with the newest version that the host has. Durable: with a wait for the disk at each commit, as it is by itself. */
export async function startPostgres({ isDurable = false } = {}): Promise<PostgresCluster> {
  const folder = mkdtempSync(join(tmpdir(), "mt-postgres-"));
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  // The way to its socket, for servers of any user.
  chmodSync(folder, 0o711);
  const drop = isRoot ? ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--"] : [];
  const [program = "", ...args] = [
    ...drop,
    "sh",
    "-c",
    `exec 3<&0; ${KEEP}`,
    "mt-postgres",
    folder,
    programs(),
    isDurable ? "on" : "off",
  ];
  const keeper = spawn(program, args, { cwd: "/", stdio: ["pipe", "pipe", "inherit"] });
  const pid = keeper.pid as number;
  const postmaster = () => Number(readFileSync(join(folder, "data/postmaster.pid"), "utf8").split("\n")[0]);
  const signalAll = async (signal: NodeJS.Signals) => {
    const main = postmaster();
    const { stdout } = await runCommand(["ps", "-o", "pid=", "--ppid", String(main)]);
    for (const one of [
      main,
      ...stdout
        .split("\n")
        .filter((line) => line.trim() !== "")
        .map(Number),
    ]) {
      process.kill(one, signal);
    }
  };
  const cluster: PostgresCluster = {
    url: (database) => `postgresql://microterm@/${database}?host=${encodeURIComponent(folder)}`,
    socket: join(folder, ".s.PGSQL.5432"),
    async crash() {
      const crashed = new Promise((resolve) => keeper.stdout.once("data", resolve));
      process.kill(pid, "SIGHUP");
      await crashed;
    },
    async start() {
      process.kill(pid, "SIGUSR1");
      await ready(folder, keeper);
    },
    freeze: () => signalAll("SIGSTOP"),
    thaw: () => signalAll("SIGCONT"),
    async remove() {
      const ended = new Promise((resolve) => keeper.once("close", resolve));
      keeper.stdin.end();
      await ended;
    },
  };
  await ready(folder, keeper);
  return cluster;
}

/** Until it takes connections, which `postmaster.pid` says in its eighth line. */
async function ready(folder: string, keeper: ChildProcess): Promise<void> {
  const file = join(folder, "data/postmaster.pid");
  await poll("PostgreSQL to be ready", () => {
    if (keeper.exitCode !== null) throw new Error(`PostgreSQL did not start; ${folder}/log says why`);
    try {
      return readFileSync(file, "utf8").split("\n")[7]?.trim() === "ready";
    } catch {
      // Not there yet; initdb's own comes and goes before.
      return false;
    }
  });
}

function programs(): string {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).map(Number).filter(Number.isInteger) : [];
  if (versions.length === 0) throw new Error(`there is no PostgreSQL in ${VERSIONS}: apt-get install postgresql`);
  return join(VERSIONS, String(Math.max(...versions)), "bin");
}
