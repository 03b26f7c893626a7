import { readFileSync } from "node:fs";
import { runCommand } from "@microterm/host";
import type { DataPaths } from "../data/paths.ts";

export interface Check {
  readonly name: string;
  /** `ok`; `warn`: it works, with a loss that `text` names; `fail`: `up` can't work like this. */
  readonly status: "ok" | "warn" | "fail";
  /** What was found, and why it matters. */
  readonly text: string;
  /** The command or change that fixes it; null where nothing needs to be. */
  readonly fix: string | null;
}

export type CheckFunction = (paths: DataPaths) => Promise<Check>;

export const ok = (name: string, text: string): Check => ({ name, status: "ok", text, fix: null });
export const warn = (name: string, text: string, fix: string): Check => ({ name, status: "warn", text, fix });
export const fail = (name: string, text: string, fix: string): Check => ({ name, status: "fail", text, fix });

export const read = (path: string): string | null => {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
};

/** First line of `command --version`, or null where the command is missing. */
export async function version(command: string, flag = "--version"): Promise<string | null> {
  try {
    const result = await runCommand([command, flag]);
    return ((result.stdout || result.stderr).split("\n")[0] ?? "").trim();
  } catch {
    return null;
  }
}
