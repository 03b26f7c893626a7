import { AsyncLocalStorage } from "node:async_hooks";

/** The request that the present work is done for, over all awaits: each line of the log and each call of the daemon names it. */
const context = new AsyncLocalStorage<{ readonly requestId: string }>();

export function runInRequest<T>(requestId: string, work: () => T): T {
  return context.run({ requestId }, work);
}

/** Undefined outside of any request. */
export const currentRequestId = (): string | undefined => context.getStore()?.requestId;
