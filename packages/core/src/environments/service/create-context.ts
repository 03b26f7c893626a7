import { DEFAULT_OVERCOMMIT, PlatformError } from "@microterm/protocol";
import { createLifetimes } from "../../lifetime/lifetimes.ts";
import { createAdmission } from "../../machines/admission/admission.ts";
import { NO_FAULTS } from "../../machines/faults.ts";
import { DEFAULT_LIMITS } from "../../machines/limits.ts";
import type { MachineContext } from "../../machines/machine-context.ts";
import { createStartScheduler } from "../../machines/start-scheduler.ts";
import { createPool } from "../../pool/pool.ts";
import { NO_OBSERVER } from "../../ports/observer.ts";
import { createTemplates } from "../../templates/templates.ts";
import { createChanges } from "../state/changes.ts";
import { createConsoles } from "../state/consoles.ts";
import { changed, type EnvironmentContext, leaveToRecovery } from "../state/environment-context.ts";
import { createOperationQueue } from "../state/operation-queue.ts";
import { promisedMachines } from "../state/promised-machines.ts";
import { NetworkTurns } from "../turns/network-turns.ts";
import { Tellings } from "../turns/tellings.ts";
import { Turns } from "../turns/turns.ts";
import type { EnvironmentServiceOptions } from "./environment-service.ts";

/** Puts the parts together, each out of those that are there already. */
export function createContext(options: EnvironmentServiceOptions): EnvironmentContext {
  const { drivers, network, clock, random, log, storage } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const rows = storage.environments;
  const promised = () => promisedMachines({ rows, drivers, pool });
  const machines: MachineContext = {
    drivers,
    fleet: storage.fleet,
    network,
    clock,
    random,
    log,
    observer: options.observer ?? NO_OBSERVER,
    limits,
    faults: options.faults ?? NO_FAULTS,
    admission: createAdmission({ limits, overcommit: options.overcommit ?? DEFAULT_OVERCOMMIT, promised }),
    scheduler: createStartScheduler(clock, limits.parallelRestores),
    closing: new AbortController(),
  };
  const changes = createChanges(log, storage.fleet);
  const live: EnvironmentContext["live"] = new Map();
  const networkTurns = new NetworkTurns(clock);
  const templates = createTemplates(machines, {
    driver: drivers.default,
    isEnabled: options.templates ?? false,
    buildVersions: storage.templates,
  });
  const pool = createPool(machines, { driver: drivers.default, templates, wanted: options.pool ?? 0 });
  return {
    ...machines,
    rows,
    networks: storage.networks,
    audit: options.audit,
    quotas: storage.quotas,
    names: options.names ?? null,
    changes,
    operations: createOperationQueue(log, (id, error) => {
      // How far it has come cannot be written down: the recovery that follows an outage finds out by what there is.
      if (!(error instanceof PlatformError && error.code === "DATABASE_UNAVAILABLE")) return;
      leaveToRecovery({ live, networkTurns }, id);
    }),
    templates,
    pool,
    lifetimes: createLifetimes({ clock, changed: (row) => changed({ changes }, row) }),
    networkTurns,
    tellings: new Tellings(),
    guestNames: new Map(),
    live,
    limiting: new Turns(),
    spending: new Turns(),
    destroys: new Map(),
    recoveringLater: new Set(),
    consoles: createConsoles(storage, log),
  };
}
