import { readFileSync, writeFileSync } from "node:fs";
import { plainText } from "@microterm/host";
import { z } from "zod";
import type { ServerAccount } from "./account.ts";
import { ensureDaemon } from "./daemon.ts";
import type { DataPaths } from "./paths.ts";
import { type Progress, SetupError } from "./progress.ts";
import { readServerFile } from "./server-files.ts";
import { type RunningServer, runningServer, startServer } from "./server-process.ts";

/** How the last `up` ran daemon and server, so that `down` can bring them back for a moment when they are gone. */
const LastUp = z.strictObject({
  daemon: z.string(),
  image: z.strictObject({ path: z.string(), key: z.string() }).nullable(),
  args: z.array(z.string()),
});
export type LastUp = z.infer<typeof LastUp>;

export function rememberUp(paths: DataPaths, last: LastUp): void {
  writeFileSync(paths.lastUp, `${JSON.stringify(last)}\n`, { mode: 0o600 });
}

/** Powers every running guest off and waits for it. Resolves with what to say. */
export async function stopEnvironments(api: Api): Promise<string> {
  const running = (await api.environments()).filter((one) => one.state === "running" || one.state === "creating");
  await Promise.all(
    running.map(async (one) => {
      await api.call("POST", `/v1/environments/${one.id}/stop`);
      await api.call("GET", `/v1/environments/${one.id}/wait?state=stopped&state=failed&state=gone&timeoutMs=60000`);
    }),
  );
  return `${running.length} stopped`;
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
  if (running !== null) return action(createApi(running, paths));
  const last = readLastUp(paths);
  if (last === null) return null;
  if (last.image !== null) {
    const start = { paths, binary: last.daemon, image: last.image, serverUid: account.uid, progress };
    (await ensureDaemon(start)).close();
  }
  const server = await startServer({ paths, account, args: [...last.args, "--port", "0"], detach: false });
  try {
    return await action(createApi(server, paths));
  } finally {
    server.stop();
    await server.ended;
  }
}

function readLastUp(paths: DataPaths): LastUp | null {
  try {
    return LastUp.parse(JSON.parse(readFileSync(paths.lastUp, "utf8")));
  } catch {
    return null;
  }
}

const List = z.object({ environments: z.array(z.object({ id: z.string(), state: z.string() })) });

interface Api {
  environments(): Promise<z.infer<typeof List>["environments"]>;
  call(method: string, path: string): Promise<unknown>;
}

function createApi(server: RunningServer, paths: DataPaths): Api {
  const authorization = `Bearer ${readServerFile(paths.token).trim()}`;
  const call = async (method: string, path: string): Promise<unknown> => {
    const answer = await fetch(`${server.url}${path}`, {
      method,
      headers: { authorization },
      signal: AbortSignal.timeout(120_000),
    });
    const text = await answer.text();
    if (!answer.ok) throw new SetupError(`${method} ${path} failed: ${plainText(text)}`, "./microterm status");
    return text === "" ? null : JSON.parse(text);
  };
  return { call, environments: async () => List.parse(await call("GET", "/v1/environments")).environments };
}
