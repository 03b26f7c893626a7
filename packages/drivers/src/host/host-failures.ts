import { GuestNeverRan } from "@microterm/core";
import { type HostCode, hostCodeOf, systemCode } from "@microterm/host";
import { PlatformError } from "@microterm/protocol";

const PASSED = [
  "MACHINE_BOOT_FAILED",
  "HOST_OUT_OF_MEMORY",
  "HOST_OUT_OF_DISK",
  "HOST_DAEMON_UNAVAILABLE",
  "SNAPSHOT_CORRUPT",
];

/** No process listens on the monitor's socket, which the VMM's process alone holds: it is dead. */
export function isRefused(error: unknown): boolean {
  return systemCode(error) === "ECONNREFUSED" || (error instanceof Error && systemCode(error.cause) === "ECONNREFUSED");
}

/** What a caller of `boot`, `restore` and `resume` may see. */
export function bootFailure(error: unknown): PlatformError {
  if (error instanceof PlatformError && PASSED.includes(error.code)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new PlatformError("MACHINE_BOOT_FAILED", `the machine could not be started: ${message}`, { cause: error });
}

/** The daemon says these before a guest can have gone on. What it says later, or does not say, leaves that open. */
const IS_BEFORE_RUN: Readonly<Record<HostCode, boolean>> = {
  "bad-request": true,
  denied: false,
  "not-found": true,
  exists: true,
  busy: true,
  "no-space": true,
  "no-memory": true,
  "no-network": true,
  "image-corrupt": false,
  "snapshot-corrupt": false,
  "snapshot-failed": false,
  unsupported: false,
  internal: false,
};

/** A launch that was refused, marked where the guest has certainly not gone on. */
export function launchFailure(error: unknown): PlatformError {
  const failure = bootFailure(error);
  const code = hostCodeOf(error);
  return code !== null && IS_BEFORE_RUN[code] ? new GuestNeverRan(failure) : failure;
}

/** What a caller of `saveTemplate` and `pause` may see. */
export function snapshotFailure(error: unknown): PlatformError {
  const passed = ["SNAPSHOT_FAILED", "HOST_OUT_OF_DISK", "HOST_DAEMON_UNAVAILABLE"];
  if (error instanceof PlatformError && passed.includes(error.code)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new PlatformError("SNAPSHOT_FAILED", `the machine could not be saved: ${message}`, { cause: error });
}
