import type { EnvironmentId, OwnerId, Receipt, Terminal } from "@microterm/protocol";
import type { Lifetimes } from "../lifetime/lifetimes.ts";
import type { Pool } from "../pool/pool.ts";
import type { EnvironmentRepository } from "../ports/repository.ts";
import type { Machine } from "../ports/vm-driver.ts";
import type { Templates } from "../templates/templates.ts";
import type { Changes } from "./changes.ts";
import type { Foundation } from "./foundation.ts";
import type { Work } from "./work.ts";

/** What the parts of the environment service share. Everything in memory can be lost: `recover` rebuilds it. */
export interface Context extends Foundation {
  readonly rows: EnvironmentRepository;
  readonly changes: Changes;
  readonly work: Work;
  readonly templates: Templates;
  readonly pool: Pool;
  readonly lifetimes: Lifetimes;
  /** Machines this process holds. An environment's entry goes before its machine does. */
  readonly live: Map<EnvironmentId, LiveMachine>;
  readonly destroys: Map<EnvironmentId, Promise<Receipt>>;
  /** Consoles of machines that are gone, newest last. */
  readonly consoles: Map<EnvironmentId, Uint8Array>;
}

export interface LiveMachine {
  readonly machine: Machine;
  /** False while it boots: its console can be read, its agent is not for callers yet. */
  isReady: boolean;
  /** As the guest last said. */
  terminals: readonly Terminal[];
  /** Until this time its terminals are known without asking, ms since the epoch: it has just reported, or has just begun. */
  knownUntil: number;
  /** A question for its terminals that is under way, shared by all that ask meanwhile. */
  asking: Promise<void> | null;
  /** The guest did not answer lately and is not asked again before this time, ms since the epoch. */
  quietUntil: number;
  /** Since when its agent has not answered a sign of life, ms since the epoch; null: it answers. */
  silentSince: number | null;
}

export function liveMachine(machine: Machine): LiveMachine {
  return { machine, isReady: false, terminals: [], knownUntil: 0, asking: null, quietUntil: 0, silentSince: null };
}

export function changed(context: Context, row: { readonly id: EnvironmentId; readonly owner: OwnerId }): void {
  context.changes.emit({ kind: "changed", id: row.id, owner: row.owner });
}
