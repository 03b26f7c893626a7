import type { Clock, Log, Randomness } from "../ports/clock.ts";
import type { Fleet } from "../ports/fleet.ts";
import type { NetworkProvider } from "../ports/network.ts";
import type { Observer } from "../ports/observer.ts";
import type { Admission } from "./admission/admission.ts";
import type { DriverRegistry } from "./driver-registry.ts";
import type { Faults } from "./faults.ts";
import type { EnvironmentLimits } from "./limits.ts";
import type { StartScheduler } from "./start-scheduler.ts";

/** What environments, templates and the pool share: all that is needed to make a machine and to remove it. */
export interface MachineContext {
  readonly drivers: DriverRegistry;
  readonly fleet: Fleet;
  readonly network: NetworkProvider;
  readonly clock: Clock;
  readonly random: Randomness;
  readonly log: Log;
  readonly observer: Observer;
  readonly limits: EnvironmentLimits;
  readonly faults: Faults;
  readonly admission: Admission;
  readonly scheduler: StartScheduler;
  /** Aborted by `close`: whatever is under way stops where it is and cleans up nothing. */
  readonly closing: AbortController;
}
