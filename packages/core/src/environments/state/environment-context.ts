import type { EnvironmentId, OwnerId, Receipt } from "@microterm/protocol";
import type { AuditLog } from "../../audit/audit-log.ts";
import type { Lifetimes } from "../../lifetime/lifetimes.ts";
import type { MachineContext } from "../../machines/machine-context.ts";
import type { Pool } from "../../pool/pool.ts";
import type { GuestNames, NameServer } from "../../ports/name-server.ts";
import type { EnvironmentRepository, NetworkRepository, QuotaRepository } from "../../ports/repository.ts";
import type { VmDriver } from "../../ports/vm-driver.ts";
import type { Templates } from "../../templates/templates.ts";
import type { NetworkTurns } from "../turns/network-turns.ts";
import type { Tellings } from "../turns/tellings.ts";
import type { Turns } from "../turns/turns.ts";
import type { Changes } from "./changes.ts";
import type { Consoles } from "./consoles.ts";
import type { LiveMachine } from "./live-machine.ts";
import type { OperationQueue } from "./operation-queue.ts";

/** What the parts of the environment service share. Everything in memory can be lost: `recover` rebuilds it. */
export interface EnvironmentContext extends MachineContext {
  readonly rows: EnvironmentRepository;
  readonly networks: NetworkRepository;
  readonly audit: AuditLog;
  readonly quotas: QuotaRepository;
  readonly names: NameServer | null;
  readonly changes: Changes;
  readonly operations: OperationQueue;
  readonly templates: Templates;
  readonly pool: Pool;
  readonly lifetimes: Lifetimes;
  readonly networkTurns: NetworkTurns;
  /** What guests are told of their networks, one after another. */
  readonly tellings: Tellings;
  /** Of guests whose names are answered now: what explains their denials. */
  readonly guestNames: Map<EnvironmentId, GuestNames>;
  /** Machines this process holds. An environment's entry goes before its machine does. */
  readonly live: Map<EnvironmentId, LiveMachine>;
  /** Changes of limits, one after another. */
  readonly limiting: Turns<EnvironmentId>;
  /**
   * What takes of an account's quota, one after another: the database has them wait for each other anyway, and each that waits there has one of
   * the few connections, in no order, and is given up after seconds.
   */
  readonly spending: Turns<OwnerId>;
  readonly destroys: Map<EnvironmentId, Promise<Receipt>>;
  /** Drivers whose host could not be asked yet. */
  readonly recoveringLater: Set<VmDriver>;
  readonly consoles: Consoles;
}

export function changed(
  { changes }: Pick<EnvironmentContext, "changes">,
  row: { readonly id: EnvironmentId; readonly owner: OwnerId },
): void {
  changes.emit({ kind: "changed", id: row.id, owner: row.owner });
}

/** This process holds the machine of an environment no longer. */
export function forgetMachine(
  { live, networkTurns }: Pick<EnvironmentContext, "live" | "networkTurns">,
  id: EnvironmentId,
): void {
  live.delete(id);
  networkTurns.cancel(id);
}

/** Nor will it hear of its end: what is done about it is up to a recovery. */
export function leaveToRecovery(context: Pick<EnvironmentContext, "live" | "networkTurns">, id: EnvironmentId): void {
  context.live.get(id)?.machine.release();
  forgetMachine(context, id);
}
