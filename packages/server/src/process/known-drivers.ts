import { readFileSync } from "node:fs";
import { z } from "zod";
import { DriverConfig } from "../config.ts";
import { writeFileAtomic } from "./atomic-file.ts";

/** Longer than any file of ours: the folder is the server's own. */
const MAX_BYTES = 64 * 1024;

const File = z.strictObject({ version: z.literal(1), drivers: z.record(z.string(), z.unknown()) });

/** What this data folder's servers made their drivers with, by name: the newest of each. */
export interface KnownDrivers {
  /** The driver's configuration, or, for a person, why there is none that can be used. */
  find(name: string): DriverConfig | { readonly absence: string };
  remember(config: DriverConfig): void;
}

export function openKnownDrivers(path: string): KnownDrivers {
  const drivers = { ...read(path) };
  return {
    find(name) {
      if (!(name in drivers)) return { absence: "no server with it has run on this data folder" };
      const parsed = DriverConfig.safeParse(drivers[name]);
      if (parsed.success && parsed.data.driver === name) return parsed.data;
      const [issue] = parsed.error?.issues ?? [];
      return { absence: issue === undefined ? "its configuration is another's" : describe(issue) };
    },
    remember(config) {
      const known = DriverConfig.parse(config);
      if (JSON.stringify(drivers[known.driver]) === JSON.stringify(known)) return;
      drivers[known.driver] = known;
      writeFileAtomic(path, JSON.stringify({ version: 1, drivers }));
    },
  };
}

/** A file that is missing or unreadable is one of no drivers. */
function read(path: string): Readonly<Record<string, unknown>> {
  try {
    const text = readFileSync(path, "utf8");
    return text.length > MAX_BYTES ? {} : File.parse(JSON.parse(text)).drivers;
  } catch {
    return {};
  }
}

const describe = ({ path, message }: z.core.$ZodIssue): string => `its ${path.join(".")} ${message}`;
