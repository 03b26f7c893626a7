import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { plainText } from "@microterm/protocol";
import { z } from "zod";
import { buildBinaries, ensureImage, touch } from "../build/build.ts";
import { type DaemonNetwork, ensureDaemon } from "../daemon/daemon.ts";
import { cacheFolder, type DataPaths } from "../data/paths.ts";
import { readPlainFile, writePlainFile } from "../data/plain-files.ts";
import { findFirecracker } from "../firecracker/programs.ts";
import { type Progress, SetupError, SHOWN } from "../progress.ts";
import type { ServerAccount } from "./account.ts";
import { withoutListening } from "./listen-options.ts";
import { type RunningServer, runningServer, startServer, stopServer, TokenRefused } from "./server-process.ts";

/** Two attempts to boot, each with its deadline of a minute; a power-off takes a fraction of that. */
const WAIT_MS = 150_000;

/** `last-up.json` is a line. */
const MOST_BYTES = 64 * 1024;

/** How the last `up` ran daemon and server, so that `down` can bring them back for a moment when they are gone. */
const LastUp = z.strictObject({
  daemon: z.string(),
  image: z.strictObject({ path: z.string(), key: z.string() }).nullable(),
  args: z.array(z.string()),
  network: z
    .object({ uplink: z.string().nullable(), allowPrivate: z.array(z.string()) })
    .default({ uplink: null, allowPrivate: [] }),
});
export type LastUp = z.infer<typeof LastUp>;

export function rememberUp(paths: DataPaths, last: LastUp): void {
  writePlainFile(paths.lastUp, `${JSON.stringify(last)}\n`);
}

/** Nothing can be asked of the server. */
export class ServerUnusable extends SetupError {}

/** Powers every guest off and waits for it. Resolves with what to say. */
export async function stopEnvironments(api: Api): Promise<string> {
  // A paused one has no machine, and its memory is worth keeping.
  const atRest = new Set(["stopped", "failed", "paused"]);
  const busy = (await api.environments()).filter((one) => !atRest.has(one.state));
  await Promise.all(busy.map((one) => stopEnvironment(api, one)));
  return `${busy.length} stopped`;
}

async function stopEnvironment(api: Api, { id, state }: { readonly id: string; readonly state: string }) {
  const wait = (states: readonly string[]) =>
    api.call("GET", `/v1/environments/${id}/wait?${states.map((one) => `state=${one}&`).join("")}timeoutMs=${WAIT_MS}`);
  if (state === "destroying") return void (await wait(["gone"]));
  // A boot can't be stopped, only what it has brought up. Null: it was destroyed meanwhile.
  if (state === "creating" && (await wait(["running", "stopped", "failed", "paused", "gone"])) === null) return;
  await api.call("POST", `/v1/environments/${id}/stop`);
  await wait(["stopped", "failed", "gone"]);
}

export async function removeEnvironments(api: Api): Promise<string> {
  const all = await api.environments();
  for (const one of all) await api.call("DELETE", `/v1/environments/${one.id}`);
  return `${all.length} removed`;
}

/**
 * Runs `action` against the server of this data folder. Where none runs, one is started for it, with its daemon: what
 * it finds on the host is then adopted, acted on and left as its rows say.
 */
export async function withServer<T>(
  paths: DataPaths,
  account: ServerAccount,
  progress: Progress,
  action: (api: Api) => Promise<T>,
): Promise<T | null> {
  const running = await runningServer(paths);
  if (running !== null) {
    try {
      return await action(createApi(running));
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error;
      // The next one makes a token of its own.
      await stopServer(paths);
    }
  }
  const known = readLastUp(paths);
  if (known === null) return null;
  const last = await withBuilds(known, paths, progress);
  if (last.image !== null) {
    const network: DaemonNetwork = last.network;
    // Looked for again, and not taken from the file, since root starts it.
    const found = findFirecracker({ env: process.env, cache: cacheFolder() });
    const firecracker = "absence" in found ? null : found;
    const start = { paths, binary: last.daemon, image: last.image, serverUid: account.uid, firecracker };
    (await ensureDaemon({ ...start, network, progress })).close();
  }
  // Nobody waits for a prompt here, and nobody from elsewhere is to find it.
  const args = [...withoutListening(last.args), "--port", "0", "--pool", "0", "--templates=false"];
  const server = await startServer({ paths, account, args, detach: false }).catch((cause: unknown) => {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new ServerUnusable(`no server can be started for ${paths.data}: ${said}`, "./microterm down --destroy", {
      cause,
    });
  });
  try {
    return await action(createApi(server));
  } finally {
    server.stop();
    await server.ended;
  }
}

/** Whether the last `up` had machines, so that a daemon is needed to look for what is left of them. */
export const hadMachines = (paths: DataPaths): boolean => (readLastUp(paths)?.image ?? null) !== null;

/** What the last `up` ran, made again where newer builds of other data folders have pushed it out of the cache. */
async function withBuilds(last: LastUp, paths: DataPaths, progress: Progress): Promise<LastUp> {
  const agent = last.args[last.args.indexOf("--agent") + 1];
  const builds = [last.daemon, ...(last.image === null ? [agent ?? ""] : [last.image.path])];
  const cache = cacheFolder();
  // Nothing from elsewhere is run, whatever the file says: root's `down` runs the daemon, and imports the image, as root.
  if (builds.every((path) => resolve(path).startsWith(`${cache}/`) && existsSync(path))) {
    touch(dirname(last.daemon));
    if (last.image !== null) touch(last.image.path);
    return last;
  }
  const made = await buildBinaries(cache, progress);
  const image = last.image === null ? null : await ensureImage(cache, made.agent, progress);
  const values: Readonly<Record<string, string | undefined>> = { "--agent": made.agent, "--image": image?.key };
  const args = last.args.map((one, at) => values[last.args[at - 1] ?? ""] ?? one);
  const next = { ...last, daemon: made.daemon, image, args };
  rememberUp(paths, next);
  return next;
}

/** What the last `up` asked for of networks; null: there was none. */
export const lastNetwork = (paths: DataPaths): DaemonNetwork | null => readLastUp(paths)?.network ?? null;

/** What the last `up` has started the server with; empty: there was none. */
export const lastArguments = (paths: DataPaths): readonly string[] => readLastUp(paths)?.args ?? [];

/** The certificate that the last `up` named; null: none. */
export function lastCertificate(paths: DataPaths): string | null {
  const args = lastArguments(paths);
  return args[args.indexOf("--tls-cert") + 1 || args.length] ?? null;
}

function readLastUp(paths: DataPaths): LastUp | null {
  try {
    return LastUp.parse(JSON.parse(readPlainFile(paths.lastUp, MOST_BYTES)));
  } catch {
    return null;
  }
}

const List = z.object({ environments: z.array(z.object({ id: z.string(), state: z.string() })) });

export interface Api {
  /** Of all accounts. */
  environments(): Promise<z.infer<typeof List>["environments"]>;
  call(method: string, path: string): Promise<unknown>;
}

export function createApi(server: RunningServer): Api {
  const authorization = `Bearer ${server.token}`;
  const call = async (method: string, path: string): Promise<unknown> => {
    const answer = await fetch(`${server.url}${path}`, {
      method,
      headers: { authorization },
      signal: AbortSignal.timeout(WAIT_MS + 10_000),
    });
    const text = await answer.text();
    if (answer.status === 401) throw new TokenRefused(server);
    if (!answer.ok) throw new SetupError(`${method} ${path} failed: ${plainText(text, SHOWN)}`, "./microterm status");
    return text === "" ? null : JSON.parse(text);
  };
  return { call, environments: async () => List.parse(await call("GET", "/v1/admin/environments")).environments };
}
