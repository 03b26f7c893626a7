export interface EnvironmentLimits {
  /** One attempt to start, from its disk to its first terminal. An emulated guest takes 3–10 s, more on a loaded host. */
  readonly bootDeadlineMs: number;
  /** From asking a guest to power off until it is killed. */
  readonly powerOffDeadlineMs: number;
  /** Restores and resumes that run at a time; the others wait their turn. */
  readonly parallelRestores: number;
  /** Memory and disk that are left to the host itself. */
  readonly memoryReserveMib: number;
  readonly diskReserveMib: number;
  /** Between two signs of life of a guest, and how long each may take. */
  readonly heartbeatMs: number;
}

export const DEFAULT_LIMITS: EnvironmentLimits = {
  bootDeadlineMs: 60_000,
  powerOffDeadlineMs: 10_000,
  parallelRestores: 2,
  memoryReserveMib: 128,
  diskReserveMib: 256,
  heartbeatMs: 5_000,
};
