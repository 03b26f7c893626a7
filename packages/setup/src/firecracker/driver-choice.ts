import type { HostAnswer } from "@microterm/host";
import type { AcceleratorVerdict } from "../daemon/accelerator.ts";
import { oneLine, SetupError } from "../progress.ts";
import type { findFirecracker } from "./programs.ts";
import { TESTED_VERSION } from "./release.ts";

/** What `up` makes machines with. */
export interface DriverChoice {
  readonly driver: "qemu" | "firecracker";
  /** For a person. */
  readonly reason: string;
}

type Hello = Pick<HostAnswer<"hello">, "firecracker">;

/** What is known of this host's Firecracker: its version, and why none can be used, for a person. */
export interface FirecrackerStatus {
  readonly version: string | null;
  readonly problem: string | null;
}

/** `absence`: why the daemon was given none; null where it was. */
export function firecrackerStatus({ firecracker }: Hello, absence: string | null): FirecrackerStatus {
  if (absence !== null) return { version: null, problem: absence };
  if (firecracker === null) return { version: null, problem: "microterm-host is of an earlier version" };
  const { version, problem } = firecracker;
  if (problem !== null) return { version, problem: oneLine(problem) };
  return version === null ? { version, problem: "it does not tell its version" } : { version, problem };
}

/** What to say of a version that can be used; "" of the one that is tested. */
export const untested = (version: string | null): string =>
  version === null || version === TESTED_VERSION ? "" : `, which is not tested (${TESTED_VERSION} is)`;

const refusal = (lack: string): SetupError =>
  new SetupError(`--driver firecracker cannot be had: ${lack}`, "./microterm doctor, or ./microterm up");

interface KnownBefore {
  readonly found: ReturnType<typeof findFirecracker>;
  /** What this host's KVM came to when it was tried, if it was. */
  readonly accelerator: AcceleratorVerdict | null;
  readonly hasKvm: boolean;
}

/** Throws a {@link SetupError} where Firecracker is known to be out of the question before a server is ended for it. */
export function assertFirecracker({ found, accelerator, hasKvm }: KnownBefore): void {
  if ("absence" in found) throw refusal(found.absence);
  if (!hasKvm) throw refusal("Firecracker needs KVM, and there is no /dev/kvm on this host");
  if (accelerator?.accelerator === "tcg") throw refusal(withoutKvm(accelerator));
}

const withoutKvm = ({ reason }: AcceleratorVerdict): string => `Firecracker needs KVM, and ${oneLine(reason)}`;

interface Known {
  readonly wanted: "auto" | "qemu" | "firecracker";
  readonly accelerator: AcceleratorVerdict;
  readonly firecracker: FirecrackerStatus;
}

/**
 * Firecracker where KVM is proven and there is one that can be used, else QEMU. Throws a {@link SetupError} where Firecracker is asked
 * for by name and cannot be had.
 */
export function chooseDriver({ wanted, accelerator, firecracker }: Known): DriverChoice {
  const { version, problem } = firecracker;
  if (wanted === "qemu") return { driver: "qemu", reason: "it was asked for" };
  const hasKvm = accelerator.accelerator === "kvm";
  if (wanted === "firecracker") {
    if (!hasKvm) throw refusal(withoutKvm(accelerator));
    if (problem !== null) throw refusal(problem);
    return { driver: "firecracker", reason: `${version}${untested(version)}: it was asked for` };
  }
  // Why not is the accelerator's own reason, which is told beside this one.
  if (!hasKvm) return { driver: "qemu", reason: "Firecracker needs KVM, which does not work here" };
  if (problem !== null) return { driver: "qemu", reason: `Firecracker cannot be had: ${problem}` };
  return { driver: "firecracker", reason: `KVM works, and Firecracker ${version}${untested(version)} is there` };
}
