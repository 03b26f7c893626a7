/** What may cut a call short. */
export interface Limits {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Settles as `work` does, or rejects with `onTimeout()` after `timeoutMs`, or with the signal's reason. The work goes
 * on; `cancel` is called so that it may be stopped.
 *
 * Core has a function of this name too: it has no timers but its clock, and aborts what it runs.
 */
export function withDeadline<T>(
  work: Promise<T>,
  limits: Limits,
  onTimeout: () => Error,
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
    const timer = setTimeout(() => giveUp(onTimeout()), limits.timeoutMs);
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
