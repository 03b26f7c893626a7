import { resolve } from "node:path";
import { FleetAddress } from "@microterm/protocol";
import { SetupError } from "../progress.ts";
import type { ServeOption } from "./listen-options.ts";

/** Of `up`, for a server that is one of several. */
export const FLEET_OPTIONS = { fleet: { type: "string" }, identity: { type: "string" } } as const;

type Values = { readonly [Name in keyof typeof FLEET_OPTIONS]?: string | undefined };

const EXAMPLE =
  "DATABASE_URL=postgresql://… ./microterm up --driver kubernetes --image NAME --fleet 192.0.2.7:7690 --identity FILE";

/** What the server is told of its fleet; nothing for one that is alone. */
export function readFleetOptions({ fleet, identity }: Values, isCluster: boolean): readonly ServeOption[] {
  if (fleet === undefined) {
    if (identity === undefined) return [];
    throw new SetupError("--identity is for --fleet", EXAMPLE);
  }
  const { success, error } = FleetAddress.safeParse(fleet);
  if (!success) throw new SetupError(`--fleet ${fleet} ${error.issues[0]?.message}`, EXAMPLE);
  if (!isCluster) {
    throw new SetupError("--fleet needs machines that every server reaches: those of --driver kubernetes", EXAMPLE);
  }
  if (identity === undefined) {
    throw new SetupError("--fleet needs --identity FILE: a key that all servers of the fleet share", EXAMPLE);
  }
  return [
    ["--fleet", fleet],
    ["--identity", resolve(identity)],
  ];
}

/** Whether a server of these arguments is one of several. */
export const isOfFleet = (args: readonly string[]): boolean => args.includes("--fleet");

/** Throws where servers would not share their database. */
export function assertShared(fleet: readonly ServeOption[], databaseUrl: string | null): void {
  if (fleet.length === 0 || databaseUrl !== null) return;
  throw new SetupError("--fleet needs a PostgreSQL that all servers share: set DATABASE_URL", EXAMPLE);
}
