import type { Clock } from "../ports/clock.ts";

export interface Deadline {
  readonly clock: Clock;
  /** Before the clock's factor. */
  readonly timeoutMs: number;
  /** What it rejects with at the deadline, after so many seconds. Made then, so that it can say how far things had come. */
  readonly error: (seconds: number) => Error;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs something for at most `timeoutMs` times the clock's factor. At the deadline, or when `signal` aborts, it rejects at once, whether or not
 * `run` heeds the signal it was given; what `run` does after that is lost, its rejection too.
 */
export async function withDeadline<T>(deadline: Deadline, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { clock, timeoutMs, error, signal: outer } = deadline;
  outer?.throwIfAborted();
  const ended = new AbortController();
  const timer = new AbortController();
  let stopListening = () => {};
  const cut = new Promise<never>((_, reject) => {
    const end = (reason: unknown) => {
      reject(reason);
      ended.abort(reason);
    };
    const mostMs = timeoutMs * clock.deadlineFactor;
    clock.sleep(mostMs, timer.signal).then(
      () => end(error(mostMs / 1000)),
      () => {},
    );
    if (outer !== undefined) {
      const onAbort = () => end(outer.reason);
      outer.addEventListener("abort", onAbort, { once: true });
      stopListening = () => outer.removeEventListener("abort", onAbort);
    }
  });
  try {
    return await Promise.race([run(ended.signal), cut]);
  } catch (failure) {
    // Whatever `run` left under way beside what failed ends too.
    ended.abort(failure);
    throw failure;
  } finally {
    timer.abort();
    stopListening();
  }
}

/** Waits for something to end in any way, for `timeoutMs` times the clock's factor at most. Never rejects. */
export async function endedWithin(clock: Clock, timeoutMs: number, promise: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  await Promise.race([promise, clock.sleep(timeoutMs * clock.deadlineFactor, timer.signal)]).catch(() => {});
  timer.abort();
}
