import { PlatformError } from "@microterm/protocol";
import type { VmDriver } from "../ports/vm-driver.ts";

/** The drivers that one server has, by name: each environment runs on the one that its row names. */
export interface DriverRegistry {
  /** What new environments, templates and the pool are made with. */
  readonly default: VmDriver;
  /** Every driver there is, the default first. */
  readonly all: readonly VmDriver[];
  /** Null where this server does not have it. */
  find(name: string): VmDriver | null;
  /** Rejects an action on what runs on a driver that is not there, with what to do. */
  of(row: Placed): VmDriver;
  /** For a person: why this server does not have the driver of a row; null where it has. */
  absenceOf(row: Pick<Placed, "driver">): string | null;
}

interface Placed {
  readonly name: string;
  readonly driver: string;
}

export interface DriverRegistryOptions {
  readonly default: VmDriver;
  readonly others?: readonly VmDriver[];
  /** For a person, by name: why a driver that some row may name is not there. */
  readonly absent?: ReadonlyMap<string, string>;
}

export function createDriverRegistry({
  default: preferred,
  others = [],
  absent = new Map(),
}: DriverRegistryOptions): DriverRegistry {
  const all = [preferred, ...others];
  const byName = new Map(all.map((driver) => [driver.name, driver]));
  if (byName.size !== all.length) throw new Error("two drivers have the same name");

  const find = (name: string): VmDriver | null => byName.get(name) ?? null;
  const absenceOf = ({ driver }: Pick<Placed, "driver">): string | null => {
    if (byName.has(driver)) return null;
    const why = absent.get(driver);
    const because = why === undefined ? "" : ` (${why})`;
    return `this server does not have the driver '${driver}'${because}; start it with that one: ./microterm up --driver ${driver}`;
  };
  return {
    default: preferred,
    all,
    find,
    absenceOf,
    of(row) {
      const driver = find(row.driver);
      if (driver !== null) return driver;
      throw new PlatformError("UNSUPPORTED", `'${row.name}' cannot be reached: ${absenceOf(row)}`, {
        details: { name: row.name },
      });
    },
  };
}
