import { VERSION } from "@microterm/host";
import { CHECKOUT } from "../data/paths.ts";
import type { RunningServer } from "../server/server-process.ts";
import { argumentsOf } from "../server/server-process.ts";
import { treeHash } from "./tree-hash.ts";

const DIGITS = 8;

/** What tells one state of the checkout from another: in semantic versioning's words, build metadata. */
export const ownBuild = (): string => treeHash(CHECKOUT, ["packages", "rust", "package-lock.json"]).slice(0, DIGITS);

/** A version with its build, as it is shown; those of before builds had names have none. */
export const versionOf = (build: string | null): string =>
  build === null ? `${VERSION} of before builds had names` : `${VERSION}+${build}`;

/** The build of a server that runs, by its command line; null: of a version that did not know of builds. */
export function buildOf(server: Pick<RunningServer, "pid">): string | null {
  const words = argumentsOf(server.pid);
  return words[words.indexOf("--build") + 1 || words.length] ?? null;
}
