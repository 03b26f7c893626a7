import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { GuestTerminal, TerminalPlace } from "@microterm/core";
import type { EnvironmentId } from "@microterm/protocol";

const ENDING = ".json";

/** The folder with the screens of all terminals, one folder an environment. */
export interface KeptScreens {
  pathOf(environment: string, terminal: string): string;
  /** Of which terminal a path is. */
  placeOf(path: string): TerminalPlace;
  /** Environments that have any. */
  environments(): readonly string[];
  /** Removes the screens of terminals that the guest does not list any more, but for those in use: a guest may name new ones without end. */
  prune(environment: string, listed: readonly Pick<GuestTerminal, "id">[], isUsed: (terminal: string) => boolean): void;
  remove(environment: string, terminal: string): void;
  removeAll(environment: string): void;
}

/** What can't be removed is reported to `failed`: a screen that stays is no reason for anything else to fail. */
export function createKeptScreens(root: string, failed: (error: unknown) => void): KeptScreens {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const pathOf = (environment: string, terminal: string): string => join(root, environment, `${terminal}${ENDING}`);
  const drop = (path: string): void => {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch (error) {
      failed(error);
    }
  };
  return {
    pathOf,
    placeOf: (path) => ({
      environment: basename(dirname(path)) as EnvironmentId,
      terminal: basename(path, ENDING),
    }),
    environments: () => readdirSync(root),
    prune(environment, listed, isUsed) {
      const there = new Set<string>(listed.map(({ id }) => id));
      for (const file of filesOf(join(root, environment))) {
        const terminal = file.slice(0, file.indexOf("."));
        if (!there.has(terminal) && !isUsed(terminal)) drop(join(root, environment, file));
      }
    },
    remove: (environment, terminal) => drop(pathOf(environment, terminal)),
    removeAll: (environment) => drop(join(root, environment)),
  };
}

function filesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
