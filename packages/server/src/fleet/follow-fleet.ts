import type { CredentialService, Fleet } from "@microterm/core";
import type { FastifyBaseLogger } from "fastify";
import { CLOSE, type LiveConnections } from "../auth/live-connections.ts";
import type { LiveRequests } from "../auth/live-requests.ts";
import type { OpenPreviews } from "../previews/open-previews.ts";
import type { DisabledAccounts } from "../process/disabled-accounts.ts";
import type { LiveGrants } from "../sharing/live-grants.ts";

export interface FleetParts {
  readonly fleet: Fleet;
  readonly credentials: Pick<CredentialService, "recheck">;
  readonly connections: Pick<LiveConnections, "closeAll">;
  readonly requests: Pick<LiveRequests, "credentials">;
  readonly openPreviews: Pick<OpenPreviews, "closeAll">;
  readonly liveGrants: Pick<LiveGrants, "askAll">;
  readonly disabledAccounts: Pick<DisabledAccounts, "look">;
  /** There are environments that nobody holds. */
  takeStock(): void;
  readonly log: FastifyBaseLogger;
}

/** Hears what peers tell beyond what core hears by itself. */
export function followFleet(parts: FleetParts): void {
  parts.fleet.subscribe(({ kind }) => {
    if (kind === "orphans") parts.takeStock();
    else if (kind === "disabled") void parts.disabledAccounts.look();
    else if (kind === "missed") recheck(parts);
  });
}

/** Who was let in may have been shut out meanwhile: clients come again by themselves, and are let in or not. */
function recheck({ credentials, connections, requests, openPreviews, liveGrants, log }: FleetParts): void {
  connections.closeAll(CLOSE.serverShutdown, "the server was without its database: connect again");
  openPreviews.closeAll();
  liveGrants.askAll();
  credentials.recheck(requests.credentials()).catch((error: unknown) => {
    log.error({ err: error }, "it could not be found out whether all requests may go on");
  });
}
