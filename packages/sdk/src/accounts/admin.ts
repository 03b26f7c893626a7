import {
  AdminEnvironment,
  AdminHost,
  Environment,
  ForeignTerminal,
  type TransferEnvironment,
} from "@microterm/protocol";
import { z } from "zod";
import type { Transport } from "../transport.ts";

const AdminEnvironments = z.strictObject({ environments: z.array(AdminEnvironment) });
const ForeignTerminals = z.strictObject({ terminals: z.array(ForeignTerminal) });

/** What an admin sees and does of all owners' environments. Stopping and removing one are the ordinary calls, with its whole id. */
export interface AdminCalls {
  environments(): Promise<AdminEnvironment[]>;
  /** What `lookIn` may be asked for. */
  terminals(environment: string): Promise<ForeignTerminal[]>;
  /** Gives it to another account. */
  transfer(environment: string, request: TransferEnvironment): Promise<Environment>;
  host(): Promise<AdminHost>;
}

export function createAdmin(transport: Transport): AdminCalls {
  const base = "/v1/admin/environments";
  return {
    environments: async () => (await transport.json(AdminEnvironments, base)).environments,
    terminals: async (environment) =>
      (await transport.json(ForeignTerminals, `${base}/${encodeURIComponent(environment)}/terminals`)).terminals,
    transfer: (environment, request) =>
      transport.json(Environment, `${base}/${encodeURIComponent(environment)}/transfer`, {
        method: "POST",
        json: request,
      }),
    host: () => transport.json(AdminHost, "/v1/admin/host"),
  };
}
