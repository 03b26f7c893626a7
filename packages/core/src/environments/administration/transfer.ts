import { type Environment, PlatformError, type TransferEnvironment } from "@microterm/protocol";
import { type Actor, SYSTEM } from "../../access/actor.ts";
import type { AccountRepository, AccountRow } from "../../ports/repositories/account-repository.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { timestamp } from "../../time/timestamp.ts";
import { reapplyMembership } from "../network/membership.ts";
import { requireRow } from "../service/lookup.ts";
import { shownTo, toEnvironment } from "../service/view.ts";
import { changed, type EnvironmentContext } from "../state/environment-context.ts";
import { refusal } from "../state/refusal.ts";

interface TransferAsked {
  readonly actor: Actor;
  readonly reference: string;
  readonly request: TransferEnvironment;
}

/** What {@link EnvironmentService.transfer} says. */
export async function transfer(
  context: EnvironmentContext,
  accounts: AccountRepository,
  { actor, reference, request: { account, name, force = false } }: TransferAsked,
): Promise<Environment> {
  const { rows, audit, clock } = context;
  const row = await requireRow(context, { actor, action: "environment.transfer", reference });
  const owner = await requireNewOwner(accounts, account);
  if (owner.id === row.owner) return shownTo(actor, await toEnvironment(context, row));
  const { state, machineId } = row;
  const change = {
    ...{ from: row.owner, to: owner.id, name: name ?? row.name, at: timestamp(clock), isForced: force },
    only: { state, machineId },
  };
  const detail = { from: row.owner, to: owner.id };
  const act = { action: "environment.transferred", environment: row.id, detail } as const;
  const told = {
    ...{ id: context.random.id(12), at: change.at, admin: actor.owner },
    ...{ owner: row.owner, environmentName: row.name, recipient: owner.id },
  };
  const moved = await audit.change(actor, act, async ({ accounts: stored, environments, adminActs }) => {
    // It may have been disabled, or removed, meanwhile; from here on it is not.
    for (const one of [row.owner, owner.id].sort()) await stored.lock(one);
    await requireNewOwner(stored, owner.id);
    const given = await environments.transfer(row.id, change);
    if (given !== null) await adminActs.transferred(told);
    return given;
  });
  if (moved === null)
    throw refusal((await rows.get(row.id, SYSTEM)) ?? row, "it cannot be given to another account now");
  leaveFormerOwner(context, row, moved);
  return shownTo(actor, await toEnvironment(context, moved));
}

/** By name or id. Rejects with `ACCOUNT_NOT_FOUND`, and with `BAD_REQUEST` where it is disabled. */
export async function requireNewOwner(accounts: AccountRepository, reference: string): Promise<AccountRow> {
  const owner = await accounts.find(reference);
  if (owner === null) throw new PlatformError("ACCOUNT_NOT_FOUND", `there is no account '${reference.slice(0, 64)}'`);
  if (owner.disabledAt === null) return owner;
  throw new PlatformError("BAD_REQUEST", `the account '${owner.name}' is disabled, and may have nothing that runs`);
}

/** Who follows it is told, in the order in which they must act: first those of before, who have nothing of it any more. */
export function leaveFormerOwner(context: EnvironmentContext, before: EnvironmentRow, moved: EnvironmentRow): void {
  context.changes.moved(moved.id, moved.owner);
  context.changes.emit({ kind: "transferred", id: before.id, owner: before.owner });
  changed(context, moved);
  const held = context.live.get(moved.id);
  if (held !== undefined && before.sharedNetwork !== null) reapplyMembership(context, moved, held.machine.id);
}
