/** Beyond it, a mistake is likelier than a slow host. */
const MOST = 100;

/**
 * How many times as long as usual everything may take, 1 to 100: MICROTERM_DEADLINE_FACTOR, for hosts that are emulated themselves
 * (the KVM lab of the tests). 1 where it is absent. All deadlines of this package and of core are multiplied by it,
 * and the daemon's for its VMMs (`rust/host/src/deadline.rs`).
 */
export function readDeadlineFactor(env: NodeJS.ProcessEnv): number {
  const text = env.MICROTERM_DEADLINE_FACTOR ?? "1";
  const factor = Number(text);
  if (/^\d{1,3}$/.test(text) && factor >= 1 && factor <= MOST) return factor;
  throw new RangeError(`MICROTERM_DEADLINE_FACTOR must be a number from 1 to ${MOST}, and is ${JSON.stringify(text)}`);
}

export const DEADLINE_FACTOR = readDeadlineFactor(process.env);

/** What may cut a call short. */
export interface Limits {
  /** Before {@link DEADLINE_FACTOR}. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Settles as `work` does, or rejects with `onTimeout(ms)` after `timeoutMs` times the factor, which is its `ms`, or with the
 * signal's reason. The work goes on; `cancel` is called so that it may be stopped.
 *
 * Core has a function of this name too: it has no timers but its clock, and aborts what it runs.
 */
export function withDeadline<T>(
  work: Promise<T>,
  limits: Limits,
  onTimeout: (ms: number) => Error,
  cancel: () => void = () => {},
): Promise<T> {
  const { signal } = limits;
  return new Promise<T>((resolve, reject) => {
    const giveUp = (reason: unknown): void => {
      release();
      reject(reason);
      cancel();
    };
    const aborted = (): void => giveUp(signal?.reason);
    const mostMs = limits.timeoutMs * DEADLINE_FACTOR;
    const timer = setTimeout(() => giveUp(onTimeout(mostMs)), mostMs);
    const release = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    };
    work.then(
      (value) => {
        release();
        resolve(value);
      },
      (error: unknown) => {
        release();
        reject(error);
      },
    );
    if (signal?.aborted) aborted();
    else signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** Waits `ms`; rejects with the signal's reason when aborted first. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const aborted = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }, ms);
    signal?.addEventListener("abort", aborted, { once: true });
  });
}
