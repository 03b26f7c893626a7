import { fstatSync, ftruncateSync } from "node:fs";
import { userInfo } from "node:os";
import { runInteractive } from "@microterm/host";
import { z } from "zod";
import type { DataPaths } from "../data/paths.ts";
import { SetupError } from "../progress.ts";
import type { Api } from "../server/environments.ts";
import { markPaused } from "./paused.ts";
import type { BackedUp } from "./rows.ts";

/** A disk is root's while no machine has it, before and after: then nobody has written to it meanwhile. Exit code 9: it is not. */
const COPY = `
  cd "$1" && [ -e "$2" ] || exit 0
  [ "$(stat -c %u "$2")" = 0 ] || exit 9
  tar --create --format=pax --sparse --numeric-owner "$2"
  [ "$(stat -c %u "$2")" = 0 ] || exit 9
`;
const IN_USE = 9;
/** Until the machine of one that was paused has given its disk back. */
const RELEASE_MS = 60_000;
const PAUSE_MS = 150_000;

const State = z.object({ state: z.string() });

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
  const { environment, api } = copy;
  if ((await run(copy)) !== IN_USE) return;
  const { id, name } = environment;
  if (api === null) {
    throw new SetupError(
      `'${name}' runs without a server that could pause it`,
      "./microterm up -d, or ./microterm down, and then again",
    );
  }
  const { state } = State.parse(await api.call("GET", `/v1/environments/${id}`));
  if (state !== "running") throw new SetupError(`'${name}' is ${state} just now`, "once that is over, run it again");
  const takeBack = await markPaused(copy.paths, id);
  await api.call("POST", `/v1/environments/${id}/pause`);
  await api.call("GET", `/v1/environments/${id}/wait?state=paused&timeoutMs=${PAUSE_MS}`);
  copy.paused();
  try {
    const deadline = Date.now() + RELEASE_MS;
    while ((await run(copy)) === IN_USE) {
      if (Date.now() > deadline)
        throw new SetupError(`the disk of '${name}' is in use`, "once it is not, run it again");
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  } finally {
    await api.call("POST", `/v1/environments/${id}/resume`).then(takeBack, (error: unknown) => {
      // The mark stays: the next `up` or `backup` tries again.
      copy.notResumed(error instanceof Error ? error.message : String(error));
    });
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
