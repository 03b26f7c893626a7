import type { Clock, Log, Randomness } from "../ports/clock.ts";
import type { NetworkProvider } from "../ports/network.ts";
import type { VmDriver, VmSnapshots } from "../ports/vm-driver.ts";
import type { Admission } from "./admission.ts";
import type { EnvironmentLimits } from "./environment-service.ts";
import type { Faults } from "./faults.ts";
import type { Foreground } from "./foreground.ts";

/** What environments, templates and the pool share. */
export interface Foundation {
  readonly driver: VmDriver;
  /** The driver's; null where it has none. */
  readonly snapshots: VmSnapshots | null;
  readonly network: NetworkProvider;
  readonly clock: Clock;
  readonly random: Randomness;
  readonly log: Log;
  readonly limits: EnvironmentLimits;
  readonly faults: Faults;
  readonly admission: Admission;
  readonly foreground: Foreground;
  /** Aborted by `close`: whatever is under way stops where it is and cleans up nothing. */
  readonly closing: AbortController;
}
