/** How verbs print what they have found or made. */
import { printableJson, printableYaml } from "@microterm/protocol";
import { Option } from "commander";
import type { ServerOptions } from "./server-address.ts";

export type Format = "json" | "yaml" | "name";

export interface OutputOptions extends ServerOptions {
  /** For people when absent. */
  readonly output?: Format | undefined;
}

/** The option of a verb whose result has names, or ids where it has no names. */
export const output = (): Option => formats("json", "yaml", "name");

/** The option of a verb whose result has none. */
export const dataOutput = (...more: readonly string[]): Option => formats("json", "yaml", ...more);

const formats = (...choices: readonly string[]): Option =>
  new Option("-o, --output <format>", "how to print").choices(choices);

export interface Forms {
  /** What a script goes on with, a line each. */
  readonly names?: readonly string[];
  /** For people. */
  readonly text: () => void | Promise<void>;
}

/** Prints `value` in the format that was asked for. */
export async function print(value: unknown, { output: format }: OutputOptions, { names, text }: Forms): Promise<void> {
  switch (format) {
    case "json":
      return console.log(printableJson(value));
    case "yaml":
      return console.log(await printableYaml(value));
    case "name":
      for (const name of names ?? []) console.log(name);
      return;
    default:
      return text();
  }
}
