import { systemCode } from "@microterm/host";
import { PlatformError } from "@microterm/protocol";

const PASSED = [
  "MACHINE_BOOT_FAILED",
  "HOST_OUT_OF_MEMORY",
  "HOST_OUT_OF_DISK",
  "HOST_DAEMON_UNAVAILABLE",
  "SNAPSHOT_CORRUPT",
];

/** Nobody listens on the monitor's socket, which QEMU alone holds: it is dead. */
export function isRefused(error: unknown): boolean {
  return systemCode(error) === "ECONNREFUSED" || (error instanceof Error && systemCode(error.cause) === "ECONNREFUSED");
}

/** What a caller of `boot`, `restore` and `resume` may see. */
export function bootFailure(error: unknown): PlatformError {
  if (error instanceof PlatformError && PASSED.includes(error.code)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new PlatformError("MACHINE_BOOT_FAILED", `the machine could not be started: ${message}`, { cause: error });
}

/** What a caller of `saveTemplate` and `pause` may see. */
export function saveFailure(error: unknown): PlatformError {
  const passed = ["SNAPSHOT_FAILED", "HOST_OUT_OF_DISK", "HOST_DAEMON_UNAVAILABLE"];
  if (error instanceof PlatformError && passed.includes(error.code)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new PlatformError("SNAPSHOT_FAILED", `the machine could not be saved: ${message}`, { cause: error });
}
