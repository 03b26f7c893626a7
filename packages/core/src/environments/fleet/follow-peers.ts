import type { EnvironmentId } from "@microterm/protocol";
import { SYSTEM } from "../../access/actor.ts";
import { describeError } from "../../messages/describe-error.ts";
import { type FleetListener, isHeldHere } from "../../ports/fleet.ts";
import { reapplyMembership } from "../network/membership.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { destroy } from "../stop/destroy.ts";

/** Hears what peers tell of environments: what they have changed, and what this server shall do with those that it holds. */
export function followPeers(context: EnvironmentContext): void {
  const { fleet, changes, lifetimes, log } = context;
  const inBackground = (run: Promise<void>): void => {
    run.catch((error: unknown) => log.warn("a peer's notice came to nothing", { error: describeError(error) }));
  };
  const listen: FleetListener = (notice) => {
    switch (notice.kind) {
      case "changed":
        changes.hear(notice);
        return;
      case "removed":
        lifetimes.forget(notice.id);
        changes.hear(notice);
        return;
      case "transferred":
        changes.moved(notice.id, notice.to);
        changes.hear(notice);
        inBackground(leaveNetwork(context, notice.id));
        return;
      case "work":
        inBackground(work(context, notice.id));
        return;
      case "died":
      case "missed":
        inBackground(hearAll(context, listen));
        return;
      default:
    }
  };
  fleet.subscribe(listen);
  // So that it is known here later whose each was.
  if (fleet.number !== null) inBackground(hearAll(context, listen));
}

/** The machine of one that was given away is in no shared network any more. */
async function leaveNetwork(context: EnvironmentContext, id: EnvironmentId): Promise<void> {
  const machine = context.live.get(id)?.machine;
  const row = machine === undefined ? null : await context.rows.get(id, SYSTEM);
  if (machine !== undefined && row !== null) reapplyMembership(context, row, machine.id);
}

/** Carries out what the row says. What a recovery has begun already goes on. */
async function work(context: EnvironmentContext, id: EnvironmentId): Promise<void> {
  const row = await context.rows.get(id, SYSTEM);
  if (row?.state === "destroying" && isHeldHere(context.fleet, row)) await destroy(context, row, { by: "server" });
}

/** Anything may have changed: what was known otherwise has moved or gone. What was heard while the rows were read is newer than they are. */
async function hearAll({ rows, changes }: EnvironmentContext, listen: FleetListener): Promise<void> {
  const before = changes.owners();
  const found = new Map((await rows.list(SYSTEM)).map(({ id, owner }) => [id, owner]));
  const now = changes.owners();
  for (const [id, owner] of before) {
    if (now.get(id) !== owner) continue;
    const to = found.get(id);
    if (to === undefined) listen({ kind: "removed", id, owner });
    else if (to !== owner) listen({ kind: "transferred", id, owner, to });
  }
  const owners = changes.owners();
  for (const [id, owner] of found) listen({ kind: "changed", id, owner: owners.get(id) ?? owner });
}
