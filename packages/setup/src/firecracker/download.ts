import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { oneLine, type Progress, SetupError } from "../progress.ts";
import { readMembers } from "../tar/tar-members.ts";
import { programsFolder } from "./programs.ts";
import type { Release } from "./release.ts";

/** For the whole archive, some ten megabytes. */
const DOWNLOAD_MS = 10 * 60_000;
/** Firecracker has 3 MB. */
const MOST_OF_ONE = 64 * 1024 * 1024;
/** Of the archive, packed and unpacked: with debug symbols it has some hundred MB. */
const MOST_PACKED = 256 * 1024 * 1024;
const MOST_UNPACKED = 1024 * 1024 * 1024;

export interface DownloadOptions {
  readonly release: Release;
  readonly cache: string;
  readonly progress: Progress;
  readonly timeoutMs?: number;
}

/**
 * Puts a release's Firecracker and jailer where `up` finds them, and resolves with that folder. Only what has the SHA-256 that is known here is
 * written. Throws a {@link SetupError} that says how to place them by hand.
 */
export async function downloadFirecracker(options: DownloadOptions): Promise<string> {
  const { release, cache, progress, timeoutMs = DOWNLOAD_MS } = options;
  const folder = programsFolder(cache);
  if (release.programs.every(({ program, sha256 }) => hasSum(join(folder, program), sha256))) {
    progress.note(`Firecracker ${release.version} and its jailer are in ${folder} already.`);
    return folder;
  }
  const step = progress.step(`Downloading Firecracker ${release.version}`);
  const members = await fetchMembers(release, timeoutMs).catch((error: unknown) => {
    throw new SetupError(`${release.url}: ${whatWentWrong(error)}`, byHand(release, folder), { cause: error });
  });
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const { program, member } of release.programs) {
    const file = join(folder, program);
    try {
      writeFileSync(`${file}.new`, members.get(member) ?? "", { mode: 0o755 });
      // Whatever the umask is: root's copy is run by others.
      chmodSync(`${file}.new`, 0o755);
      renameSync(`${file}.new`, file);
    } finally {
      rmSync(`${file}.new`, { force: true });
    }
  }
  step.done(folder);
  return folder;
}

/** What a person does where the release cannot be downloaded. */
function byHand({ programs }: Release, folder: string): string {
  const places = programs.map(({ program, member }) => `${member} as ${join(folder, program)}`).join(" and ");
  return `get that file elsewhere and put of it ${places}, executable; or name them: MICROTERM_FIRECRACKER=… MICROTERM_JAILER=… ./microterm up`;
}

async function fetchMembers(release: Release, timeoutMs: number): Promise<ReadonlyMap<string, Buffer>> {
  const answer = await fetch(release.url, { signal: AbortSignal.timeout(timeoutMs) });
  if (!answer.ok || answer.body === null) {
    await answer.body?.cancel();
    throw new Error(`the answer is ${answer.status} ${answer.statusText}`);
  }
  const packed = Readable.from(bounded(answer.body, MOST_PACKED));
  const gunzip = createGunzip();
  packed.on("error", (error) => gunzip.destroy(error));
  // Once all is found, nobody hears of what comes later.
  gunzip.on("error", () => {});
  packed.pipe(gunzip);
  try {
    const names = new Set(release.programs.map(({ member }) => member));
    const members = await readMembers(bounded(gunzip, MOST_UNPACKED), { names, maxBytes: MOST_OF_ONE });
    for (const { member, sha256 } of release.programs) {
      const sum = sumOf(members.get(member) ?? Buffer.alloc(0));
      if (sum !== sha256) throw new Error(`${member} in it has SHA-256 ${sum}, and must have ${sha256}`);
    }
    return members;
  } finally {
    gunzip.destroy();
    packed.destroy();
  }
}

async function* bounded(stream: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Buffer> {
  let total = 0;
  for await (const piece of stream) {
    total += piece.length;
    if (total > most) throw new Error(`it is larger than ${most} bytes`);
    yield Buffer.from(piece.buffer, piece.byteOffset, piece.length);
  }
}

const sumOf = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

function hasSum(path: string, sha256: string): boolean {
  try {
    return sumOf(readFileSync(path)) === sha256;
  } catch {
    return false;
  }
}

/** `fetch` says "fetch failed", and why in the cause. */
function whatWentWrong(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(String(error));
  if (error.name === "TimeoutError") return "it did not come in time";
  const { cause } = error;
  const why = cause instanceof AggregateError ? cause.errors[0] : cause;
  return oneLine(why instanceof Error ? `${error.message}: ${why.message}` : error.message);
}
