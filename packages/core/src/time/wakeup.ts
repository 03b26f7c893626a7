/** Wakes one loop that waits for a time, or for something to change. */
export interface Wakeup {
  /** Resolves at the next `wake`. Ask for it before looking at what may change, or a change in between would be missed. */
  next(): Promise<void>;
  wake(): void;
}

export function createWakeup(): Wakeup {
  let resolve: (() => void) | null = null;
  return {
    next: () =>
      new Promise((woken) => {
        resolve = woken;
      }),
    wake() {
      resolve?.();
    },
  };
}
