import { type ErrorCode, PlatformError } from "@microterm/protocol";

const SHORT_OF: Partial<Record<ErrorCode, "memory" | "CPUs" | "disk space">> = {
  HOST_OUT_OF_MEMORY: "memory",
  HOST_OUT_OF_CPUS: "CPUs",
  HOST_OUT_OF_DISK: "disk space",
};

/** What of the host an error says that there is too little of; null: it says something else. */
export function shortageOf(error: unknown): "memory" | "CPUs" | "disk space" | null {
  return error instanceof PlatformError ? (SHORT_OF[error.code] ?? null) : null;
}

/** Whether it would fit if nothing were promised to others: only then does it help that one of them gives up what it has. */
export function couldFit(error: unknown): boolean {
  if (!(error instanceof PlatformError)) return false;
  const { neededMib = 0, freeMib = 0, promisedMib, neededCpus = 0, freeCpus = 0, promisedCpus = 0 } = error.details;
  switch (error.code) {
    case "HOST_OUT_OF_CPUS":
      return neededCpus <= freeCpus + promisedCpus;
    case "HOST_OUT_OF_DISK":
      return neededMib <= freeMib;
    case "HOST_OUT_OF_MEMORY":
      // Where nothing is said of promises, it is what machines have taken.
      return promisedMib === undefined || neededMib <= freeMib + promisedMib;
    default:
      return false;
  }
}

const whole = (mib: number): number => Math.max(0, Math.floor(mib));

export function memoryShortage(neededMib: number, free: number): PlatformError {
  const freeMib = whole(free);
  const message = `${neededMib} MiB of memory are needed and the host has ${freeMib} MiB to give`;
  return new PlatformError("HOST_OUT_OF_MEMORY", message, { details: { neededMib, freeMib } });
}

interface PromisedMemory {
  readonly neededMib: number;
  readonly promisedMib: number;
  readonly totalMib: number;
}

export function memoryPromised(
  { neededMib, promisedMib, totalMib }: PromisedMemory,
  overcommit: number,
): PlatformError {
  const limitMib = whole(totalMib * overcommit);
  const message = `${neededMib} MiB of memory are needed and ${promisedMib} MiB are promised to machines that run, of ${limitMib} MiB that may be: ${overcommit} times the host's ${totalMib} MiB`;
  const freeMib = whole(limitMib - promisedMib);
  return new PlatformError("HOST_OUT_OF_MEMORY", message, { details: { neededMib, freeMib, promisedMib } });
}

interface PromisedCpus {
  readonly neededCpus: number;
  readonly promisedCpus: number;
  readonly totalCpus: number;
}

export function cpuShortage({ neededCpus, promisedCpus, totalCpus }: PromisedCpus, overcommit: number): PlatformError {
  const limit = totalCpus * overcommit;
  const needed = neededCpus === 1 ? "1 CPU is needed" : `${neededCpus} CPUs are needed`;
  const message = `${needed} and ${promisedCpus} are promised to machines that run, of ${limit} that may be: ${overcommit} times the host's ${totalCpus}`;
  const freeCpus = whole(limit - promisedCpus);
  return new PlatformError("HOST_OUT_OF_CPUS", message, { details: { neededCpus, freeCpus, promisedCpus } });
}

interface PromisedDisk {
  readonly neededMib: number;
  readonly freeMib: number;
  readonly promisedMib: number;
}

export function diskShortage(figures: PromisedDisk, overcommit: number): PlatformError {
  const neededMib = whole(figures.neededMib);
  const promisedMib = whole(figures.promisedMib);
  const freeMib = whole(figures.freeMib);
  const times = overcommit === 1 ? "" : ` of ${overcommit} times that`;
  const message = `${neededMib} MiB of disk are needed and the host has ${freeMib} MiB to give, and${times} ${promisedMib} MiB are promised to disks that have not written them yet`;
  return new PlatformError("HOST_OUT_OF_DISK", message, { details: { neededMib, freeMib, promisedMib } });
}
