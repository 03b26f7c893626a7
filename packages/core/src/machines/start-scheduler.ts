import type { Clock } from "../ports/clock.ts";
import { nap } from "../time/nap.ts";
import { createWakeup } from "../time/wakeup.ts";

/** A claimed machine's first client gets the host for itself for so long at most. */
const CLAIM_MS = 1_000;
/** From a client's first look at a claimed machine: its first screen is on its way. */
const ATTACH_MS = 250;

/**
 * Orders what competes for the host. Creates, starts and resumes come first: a user looks at a screen. Templates and the
 * pool are the background: one thing at a time, begun only while no user waits.
 */
export interface StartScheduler {
  /** Something that a user waits for has begun; the returned function, safe to repeat, ends it. */
  enter(): () => void;
  /** A machine of the pool was claimed. */
  claimed(id: string): void;
  /** A client speaks to a machine. */
  reached(id: string): void;
  /**
   * Runs one piece of background work, when nothing else of it runs and no start is under way; of those that wait, the
   * one of the lowest rank: a machine of the pool before a template that no user has asked for.
   */
  background(signal: AbortSignal, rank: number, run: () => Promise<void>): Promise<void>;
  /** A turn of at most `parallel` restores at a time; the returned function, safe to repeat, ends it. */
  restoreTurn(signal: AbortSignal): Promise<() => void>;
}

interface Piece {
  readonly rank: number;
  readonly signal: AbortSignal;
  readonly run: () => Promise<void>;
  /** Undefined: it has been done. */
  readonly end: (error?: { readonly reason: unknown }) => void;
}

export function createStartScheduler(clock: Clock, parallel: number): StartScheduler {
  const claims = new Map<string, number>();
  let busy = 0;
  const wakeup = createWakeup();
  const pieces: Piece[] = [];
  let isWorking = false;
  let restoring = 0;
  const waiting: (() => void)[] = [];

  /** Resolves with the time for which the background still has to wait; Infinity until woken. */
  function wait(): number {
    if (busy > 0) return Number.POSITIVE_INFINITY;
    const now = clock.now();
    // Or the clock was set back, and it is unknown how long ago that claim was.
    for (const [id, until] of claims) if (until <= now || until > now + CLAIM_MS) claims.delete(id);
    return Math.max(0, ...[...claims.values()].map((until) => until - now));
  }

  async function quiet(signal: AbortSignal): Promise<void> {
    for (let ms = wait(); ms > 0; ms = wait()) {
      signal.throwIfAborted();
      await nap({ clock, ms, woken: wakeup.next(), signal });
    }
    signal.throwIfAborted();
  }

  async function work(): Promise<void> {
    if (isWorking) return;
    isWorking = true;
    for (let first = pieces[0]; first !== undefined; first = pieces[0]) {
      // Who is next is decided once there is time for it.
      await quiet(first.signal).catch(() => {});
      const next = pieces.reduce((best, piece) => (piece.rank < best.rank ? piece : best), first);
      pieces.splice(pieces.indexOf(next), 1);
      try {
        next.signal.throwIfAborted();
        await next.run();
        next.end();
      } catch (reason) {
        next.end({ reason });
      }
    }
    isWorking = false;
  }

  return {
    enter() {
      busy++;
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        busy--;
        if (busy === 0) wakeup.wake();
      };
    },
    claimed(id) {
      claims.set(id, clock.now() + CLAIM_MS);
    },
    reached(id) {
      const until = claims.get(id);
      if (until === undefined) return;
      claims.set(id, Math.min(until, clock.now() + ATTACH_MS));
      wakeup.wake();
    },
    background(signal, rank, run) {
      return new Promise((resolve, reject) => {
        pieces.push({ rank, signal, run, end: (error) => (error === undefined ? resolve() : reject(error.reason)) });
        void work();
      });
    },
    async restoreTurn(signal) {
      if (restoring < parallel) restoring++;
      else {
        await new Promise<void>((resolve, reject) => {
          const enter = () => resolve();
          waiting.push(enter);
          signal.addEventListener(
            "abort",
            () => {
              const at = waiting.indexOf(enter);
              if (at >= 0) waiting.splice(at, 1);
              reject(signal.reason);
            },
            { once: true },
          );
        });
      }
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        // The turn is handed on, or given back.
        const next = waiting.shift();
        if (next === undefined) restoring--;
        else next();
      };
    },
  };
}
