import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { SetupError } from "../progress.ts";

/** Firecracker and its jailer, by absolute paths without links. */
export interface FirecrackerPrograms {
  readonly firecracker: string;
  readonly jailer: string;
}

export type Program = keyof FirecrackerPrograms;

/** What names another program than those that are found. */
const VARIABLES: Readonly<Record<Program, string>> = {
  firecracker: "MICROTERM_FIRECRACKER",
  jailer: "MICROTERM_JAILER",
};

/** Where `microterm setup firecracker` puts them, and a person may: files of these names. */
export const programsFolder = (cache: string): string => join(cache, "firecracker");

/** How a person gets them. */
export const HOW_TO_GET = "./microterm setup firecracker";

interface Places {
  readonly env: NodeJS.ProcessEnv;
  readonly cache: string;
}

/**
 * Each is the one that the environment names, or lies in the cache, or on PATH. Where one is missing, why there are none, for a person. Throws a
 * {@link SetupError} where the environment names what cannot be run.
 */
export function findFirecracker(places: Places): FirecrackerPrograms | { readonly absence: string } {
  const firecracker = find("firecracker", places);
  const jailer = find("jailer", places);
  if (firecracker !== null && jailer !== null) return { firecracker, jailer };
  if (firecracker === null) return { absence: `there is no Firecracker (${HOW_TO_GET})` };
  return { absence: `there is no jailer for ${firecracker} (${VARIABLES.jailer}, or ${HOW_TO_GET})` };
}

function find(program: Program, { env, cache }: Places): string | null {
  const variable = VARIABLES[program];
  const named = env[variable];
  if (named !== undefined && named !== "") {
    const path = resolve(named);
    if (isProgram(path)) return realpathSync(path);
    throw new SetupError(`${variable} names ${path}, which is no program that can be run`, `unset ${variable}`);
  }
  const folders = [programsFolder(cache), ...(env.PATH ?? "").split(delimiter).filter(isAbsolute)];
  const found = folders.map((folder) => join(folder, program)).find(isProgram);
  return found === undefined ? null : realpathSync(found);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
