import type { OwnerId } from "@microterm/protocol";
import { SYSTEM } from "../../access/actor.ts";
import { assertAllowed } from "../../access/authorize.ts";
import { isHeldByPeer } from "../../ports/fleet.ts";
import type { EnvironmentService } from "../service/environment-service.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { beginStop } from "./begin-stop.ts";
import { destroy } from "./destroy.ts";

/** What becomes of the environments of an account that is disabled or removed. */
export function createAccountActions(
  context: EnvironmentContext,
): Pick<EnvironmentService, "destroyAllOf" | "stopAllOf"> {
  const allOf = async (owner: OwnerId) => (await context.rows.list(SYSTEM)).filter((row) => row.owner === owner);
  return {
    async destroyAllOf(actor, owner) {
      assertAllowed(actor, "environment.destroy", { owner });
      for (const row of await allOf(owner)) {
        await context.audit.attempt(actor, { action: "environment.destroyed", environment: row.id }, () =>
          destroy(context, row, { by: actor, reason: "its account is removed" }),
        );
      }
    },

    async stopAllOf(owner) {
      const failures: unknown[] = [];
      for (const row of await allOf(owner)) {
        // Its holder does so: each server looks at the accounts that are disabled.
        if (row.state !== "running" || row.operation !== null || isHeldByPeer(context.fleet, row)) continue;
        const stopping = beginStop(context, row, { by: "server", reason: "its account is disabled" });
        await stopping.catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
      return (await allOf(owner)).every(({ state }) => state !== "running" && state !== "creating");
    },
  };
}
