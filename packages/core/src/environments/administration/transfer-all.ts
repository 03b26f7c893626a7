import { PlatformError } from "@microterm/protocol";
import { type Actor, SYSTEM } from "../../access/actor.ts";
import { assertAllowed } from "../../access/authorize.ts";
import type { Act } from "../../audit/audit-log.ts";
import type { AccountRepository } from "../../ports/repositories/account-repository.ts";
import type { EnvironmentRow, Repositories } from "../../ports/repository.ts";
import { type Spending, spendingOfTransfer } from "../../quotas/room.ts";
import { timestamp } from "../../time/timestamp.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { refusal } from "../state/refusal.ts";
import { leaveFormerOwner, requireNewOwner } from "./transfer.ts";

/** All that an account has, about to be given to another one. */
export interface TransferOfAll {
  readonly acts: readonly Act[];
  /** The change, in a transaction of its caller's. Rejects as `transfer` does, for the first of them that cannot be given. */
  run(repositories: Repositories): Promise<void>;
  /** Has those who follow them be told, once that is done. */
  done(): void;
}

interface TransferOfAllAsked {
  readonly actor: Actor;
  /** An account's id. */
  readonly from: EnvironmentRow["owner"];
  /** By name or id. */
  readonly to: string;
}

/** What {@link EnvironmentService.transferAllOf} says. */
export async function transferAllOf(
  context: EnvironmentContext,
  accounts: AccountRepository,
  { actor, from, to }: TransferOfAllAsked,
): Promise<TransferOfAll> {
  assertAllowed(actor, "environment.transfer", { owner: from });
  const { id } = await requireNewOwner(accounts, to);
  if (id === from) throw new PlatformError("BAD_REQUEST", "an account that is removed cannot have what it leaves");
  const rows = (await context.rows.list(SYSTEM)).filter(({ owner }) => owner === from);
  const moved: EnvironmentRow[] = [];
  return {
    acts: rows.map((row) => ({
      ...{ action: "environment.transferred", environment: row.id },
      detail: { from, to: id },
    })),

    async run({ accounts: stored, environments, quotas }) {
      const at = timestamp(context.clock);
      // In the order of a single transfer: none of the two gets or loses anything meanwhile.
      for (const account of [from, id].sort()) await stored.lock(account);
      await requireNewOwner(stored, id);
      // Of all together: the figures of a refusal are those that make room for all.
      await quotas.assertRoom(id, rows.map(spendingOfTransfer).reduce(sum, {}), at);
      for (const row of rows) {
        const { name, state, machineId } = row;
        const change = { from, to: id, name, at, isForced: true, only: { state, machineId } };
        const given = await environments.transfer(row.id, change);
        if (given === null) throw refusal(row, "something is being done to it, and it cannot be given away now");
        moved.push(given);
      }
    },

    done() {
      for (const [at, row] of rows.entries()) leaveFormerOwner(context, row, moved[at] ?? row);
    },
  };
}

function sum(one: Spending, other: Spending): Spending {
  const names = new Set([...Object.keys(one), ...Object.keys(other)] as (keyof Spending)[]);
  return Object.fromEntries([...names].map((name) => [name, (one[name] ?? 0) + (other[name] ?? 0)]));
}
