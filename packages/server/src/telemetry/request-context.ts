import { AsyncLocalStorage } from "node:async_hooks";

/** The request that the present work is done for, over all awaits: each line of the log and each call of the daemon names it. */
const context = new AsyncLocalStorage<{ readonly requestId: string; readonly began: number }>();
/** What goes on for longer, such as the watch over a machine, is no request's work any more. */
const LONGEST_MS = 10 * 60_000;

export function runInRequest<T>(requestId: string, work: () => T): T {
  return context.run({ requestId, began: performance.now() }, work);
}

/** For what a request is the first to need and all later ones share: it is not that request's work. */
export function runOutsideRequest<T>(work: () => T): T {
  return context.exit(work);
}

/** Undefined outside of any request. */
export function currentRequestId(): string | undefined {
  const current = context.getStore();
  return current === undefined || performance.now() - current.began > LONGEST_MS ? undefined : current.requestId;
}
