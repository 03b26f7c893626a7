import type { CredentialService, Fleet, PreviewService } from "@microterm/core";
import type { FastifyBaseLogger } from "fastify";
import { CLOSE, type LiveConnections } from "../auth/live-connections.ts";
import type { OpenPreviews } from "../previews/open-previews.ts";
import type { DisabledAccounts } from "../process/disabled-accounts.ts";
import type { LiveGrants } from "../sharing/live-grants.ts";

export interface FleetParts {
  readonly fleet: Fleet;
  readonly credentials: Pick<CredentialService, "recheck">;
  readonly previews: Pick<PreviewService, "recheck">;
  readonly connections: Pick<LiveConnections, "closeAll">;
  readonly openPreviews: Pick<OpenPreviews, "closeAll" | "grants">;
  readonly liveGrants: Pick<LiveGrants, "askAll">;
  readonly disabledAccounts: Pick<DisabledAccounts, "look">;
  /** There are environments that nobody holds. */
  takeStock(): void;
  readonly log: FastifyBaseLogger;
}

/** Hears what peers tell beyond what core hears by itself. */
export function followFleet(parts: FleetParts): void {
  const { fleet, connections, openPreviews, disabledAccounts, takeStock } = parts;
  fleet.subscribe(({ kind }) => {
    switch (kind) {
      case "orphans":
        return takeStock();
      case "disabled":
        return void disabledAccounts.look();
      case "died":
        return recheck(parts);
      case "missed":
        // They come again by themselves, and are let in or not.
        connections.closeAll(CLOSE.serverShutdown, "the server was without its database: connect again");
        openPreviews.closeAll();
        return recheck(parts);
      default:
    }
  });
}

/** Who was let in may have been shut out meanwhile: that ends what they have open, and nobody else's. */
function recheck({ credentials, previews, openPreviews, liveGrants, disabledAccounts, log }: FleetParts): void {
  liveGrants.askAll();
  void disabledAccounts.look();
  Promise.all([credentials.recheck(), previews.recheck(openPreviews.grants())]).catch((error: unknown) => {
    log.error({ err: error }, "it could not be found out whether all that is open may go on");
  });
}
