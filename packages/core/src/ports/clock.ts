/** Time and chance are injected: core has neither of its own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms`, or rejects when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** How many times as long as usual what has a deadline may take: 1, but on hosts that are emulated themselves. */
  readonly deadlineFactor: number;
}

export interface Randomness {
  /** `length` characters of a-z0-9, uniformly. */
  id(length: number): string;
  bytes(length: number): Uint8Array;
}

/** Where core reports what happened. Values never hold secrets. */
export interface Log {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}
