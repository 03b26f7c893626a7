import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { SetupError } from "../progress.ts";
import { BLOCK, padding, parseHeader } from "../tar/tar-header.ts";
import { DATABASE, MANIFEST, MANIFEST_BYTES, Manifest, SERVER } from "./manifest.ts";
import { checkMembers, DISK_TAR, IMAGE_TAR, SERVER_TAR } from "./member-check.ts";
import { type Part, readAt } from "./part.ts";

const CHUNK = 1024 * 1024;

/**
 * Reads a backup from its first byte to its last, and what the tars in it would make. Throws a {@link SetupError} where it is damaged, was
 * cut off, or is not what `microterm backup` writes: nothing of it has been used by then.
 */
export async function verifyArchive(path: string): Promise<Manifest> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(fd).isFile()) throw new Error("it is no file");
    return verify(fd, fstatSync(fd).size);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SetupError(`${path} cannot be restored: ${why}`, "take another backup; nothing was changed", { cause });
  } finally {
    closeSync(fd);
  }
}

function verify(fd: number, fileBytes: number): Manifest {
  expectHeader(fd, 0, { name: MANIFEST, bytes: MANIFEST_BYTES });
  const manifest = readManifest(fd);
  const names = manifest.members.map(({ name }) => name);
  if (new Set(names).size !== names.length || names[0] !== DATABASE || names[1] !== SERVER) {
    throw new Error("its parts are not those of a backup");
  }
  let at = BLOCK + MANIFEST_BYTES;
  for (const member of manifest.members) {
    expectHeader(fd, at, member);
    at += BLOCK;
    const part = { fd, at, bytes: member.bytes };
    if (sumOf(part) !== member.sha256) throw new Error(`its part ${member.name} is damaged`);
    const rule = ruleOf(member.name);
    if (rule !== null) checkMembers(part, rule);
    at += member.bytes + padding(member.bytes);
  }
  if (fileBytes !== at + 2 * BLOCK) throw new Error("it is longer, or shorter, than it says");
  return manifest;
}

/** What the tar of that name may have in it; null: it is none. */
function ruleOf(name: string) {
  if (name === DATABASE) return null;
  if (name === SERVER) return SERVER_TAR;
  return name.startsWith("disk-") ? DISK_TAR(name.slice(5, -4)) : IMAGE_TAR(name.slice(6, -4));
}

function readManifest(fd: number): Manifest {
  const text = readAt(fd, BLOCK, MANIFEST_BYTES).toString("utf8");
  const parsed = Manifest.safeParse(parseJson(text));
  if (!parsed.success) throw new Error("its manifest is not of this version of microterm");
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function expectHeader(fd: number, at: number, wanted: { readonly name: string; readonly bytes: number }): void {
  const found = parseHeader(readAt(fd, at, BLOCK));
  if (found?.type === "0" && found.name === wanted.name && found.bytes === wanted.bytes) return;
  throw new Error("it is not a backup of microterm, or is cut off");
}

function sumOf({ fd, at, bytes }: Part): string {
  const hash = createHash("sha256");
  for (let read = 0; read < bytes; read += CHUNK) hash.update(readAt(fd, at + read, Math.min(CHUNK, bytes - read)));
  return hash.digest("hex");
}
