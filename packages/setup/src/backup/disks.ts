import { fstatSync, ftruncateSync } from "node:fs";
import { userInfo } from "node:os";
import { runInteractive } from "@microterm/host";
import { z } from "zod";
import type { DataPaths } from "../data/paths.ts";
import { SetupError } from "../progress.ts";
import type { Api } from "../server/environments.ts";
import { markPaused } from "./paused.ts";
import type { BackedUp } from "./rows.ts";

/**
 * A disk is root's while no machine has it, before and after, and of the same change (ctime): then nobody has written to it meanwhile. Exit code
 * 9: it is not.
 */
const COPY = `
  cd "$1" && [ -e "$2" ] || exit 0
  before="$(stat -c '%u %z' "$2")"
  [ "\${before%% *}" = 0 ] || exit 9
  tar --create --format=pax --sparse --numeric-owner "$2"
  [ "$(stat -c '%u %z' "$2")" = "$before" ] || exit 9
`;
const IN_USE = 9;
/** Until one that is started or stopped just now runs or is at rest, and the machine of one that was paused has given its disk back. */
const REST_MS = 60_000;
const AGAIN_MS = 250;
/** Its owner may resume it, and not as often as they like: the backup is for all others as well. */
const MOST_PAUSES = 3;
const PAUSE_MS = 150_000;

const State = z.object({ state: z.string(), operation: z.string().nullable() });

interface DiskCopy {
  readonly paths: DataPaths;
  readonly environment: BackedUp;
  /** Of the server that runs; null: none does. */
  readonly api: Api | null;
  readonly stdout: number;
  /** Called where it had to be paused. */
  paused(): void;
  /** Called where it could not be resumed: what its owner did meanwhile makes no backup of all others worthless. */
  notResumed(why: string): void;
}

/** Appends a disk's tar to a descriptor; nothing where there is no disk. One that is in use is paused for it, and goes on after. */
export async function copyDisk(copy: DiskCopy): Promise<void> {
  if ((await run(copy)) !== IN_USE) return;
  const { environment, api } = copy;
  if (api === null) {
    throw new SetupError(
      `'${environment.name}' runs without a server that could pause it`,
      "./microterm up -d, or ./microterm down, and then again",
    );
  }
  await copyUsed(copy, api);
}

async function copyUsed(copy: DiskCopy, api: Api): Promise<void> {
  const { id, name } = copy.environment;
  const path = `/v1/environments/${id}`;
  const inUse = (state: string) =>
    new SetupError(`the disk of '${name}', which is ${state}, is in use`, "once it is not, run it again");
  let takeBack: (() => void) | null = null;
  let deadline = Date.now() + REST_MS;
  let refused: unknown = null;
  try {
    for (let pauses = 0; (await run(copy)) === IN_USE; ) {
      const { state, operation } = State.parse(await api.call("GET", path));
      if (state === "running" && operation === null) {
        if (pauses++ === MOST_PAUSES) throw refused ?? inUse(state);
        takeBack ??= await markPaused(copy.paths, id);
        copy.paused();
        refused = await api.call("POST", `${path}/pause`).then(
          () => null,
          (error: unknown) => error,
        );
        deadline = Date.now() + PAUSE_MS + REST_MS;
      } else if (Date.now() > deadline) throw inUse(state);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  } finally {
    if (takeBack !== null) await resume(copy, takeBack);
  }
}

async function resume({ api, environment, notResumed }: DiskCopy, takeBack: () => void): Promise<void> {
  try {
    await api?.call("POST", `/v1/environments/${environment.id}/resume`);
    takeBack();
  } catch (error) {
    // The mark stays: the next `up` or `backup` tries again.
    notResumed(error instanceof Error ? error.message : String(error));
  }
}

async function run({ paths, environment, stdout }: DiskCopy): Promise<number> {
  const sudo = userInfo().uid === 0 ? [] : ["sudo", "-n", "--"];
  const command = [...sudo, "sh", "-c", COPY, "sh", paths.host, `disks/${environment.disk_id}.ext4`];
  const { size } = fstatSync(stdout);
  const code = await runInteractive(command, { stdout, stderr: 2 });
  // A machine was given it while it was copied: a restore would take this copy, and not the one that follows.
  if (code === IN_USE) ftruncateSync(stdout, size);
  if (code === 0 || code === IN_USE) return code;
  throw new SetupError(`the disk of '${environment.name}' could not be read`, "./microterm doctor");
}
