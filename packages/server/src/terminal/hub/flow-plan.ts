import {
  DISCONNECTED_ALONE_MS,
  DISCONNECTED_MS,
  ENDED_MS,
  IDLE_MS,
  LOG_RECENT_BYTES,
  MAX_PAUSE_MS,
  PAUSE_BEHIND_BYTES,
  PAUSE_MS,
  PAUSE_UNACKNOWLEDGED_BYTES,
  RESUME_BEHIND_BYTES,
  RESUME_UNACKNOWLEDGED_BYTES,
} from "./flow-limits.ts";

/** A client, as far as the flow depends on it. Times are those of `now`. */
export interface FlowClient {
  /** The number of the log's item that it needs next; null when it needs none. */
  readonly needs: number | null;
  /** Bytes of the log that wait for it. */
  readonly behind: number;
  readonly hasAcknowledged: boolean;
  /** Until then it is waited for though it has not acknowledged anything. */
  readonly graceEndsAt: number;
  /** Until then it is not waited for: it was too slow. */
  readonly evictedUntil: number;
  /**
   * The byte after the last that it has acknowledged, where it would go on if its connection broke now. Null: what it has not acknowledged
   * is not waited for, nor is its return; what waits for it in the log is.
   */
  readonly acknowledged: bigint | null;
}

/** A client whose connection has ended, and that may be back in a moment. */
export interface DisconnectedClient {
  /** Where it goes on. */
  readonly offset: bigint;
  readonly since: number;
  /** The client that came in its place, and has not come so far yet that it is waited for itself. */
  readonly back: FlowClient | null;
}

/** What is known of a terminal's flow. Numbers of items are the log's; times are those of `now`. */
export interface FlowState {
  readonly clients: ReadonlySet<FlowClient>;
  readonly disconnected: readonly DisconnectedClient[];
  /** When a client came that goes on: it has its time to catch up, and others that went with it may be right behind. */
  readonly returnedAt: number;
  readonly log: {
    /** The first item that is there, the number of the next one, and the offset behind the last. */
    readonly first: number;
    readonly next: number;
    readonly end: bigint;
  };
  /** `keeps`: the first item that is still of use for a screen; null: none. */
  readonly model: { readonly keeps: number | null; readonly behind: number };
  readonly recorder: { readonly needs: number | null; readonly behind: number } | null;
  readonly isPaused: boolean;
  /** Of a guest that is paused. */
  readonly pausedAt: number;
  /** The guest's agent lets a reader leave its stream; one that can't leave holds its program for 5 s. */
  readonly canLeave: boolean;
  /** When there was output last. */
  readonly printedAt: number;
  /** The program has ended. */
  readonly hasExited: boolean;
}

export interface FlowPlan {
  /** The terminal has ended and is of no use any more: nothing else is done. */
  readonly isOver: boolean;
  /** What becomes of the stream of output from the guest. */
  readonly guest: "keep" | "pause" | "resume" | "leave";
  /** Clients that the others wait for no longer. */
  readonly evicted: readonly FlowClient[];
  /** Those of the state that are still waited for. */
  readonly disconnected: readonly DisconnectedClient[];
  /** The log may release what is older than this item, but for its latest `recentBytes`. */
  readonly needed: number;
  readonly recentBytes: number;
  /** The terminal rests: the latest keyframe is not kept. */
  readonly isIdle: boolean;
  /** Time alone may change the plan, so that another is to be made soon. A terminal at rest is left alone until something happens to it. */
  readonly isDueAgain: boolean;
}

const NONE: readonly never[] = [];
const OVER: FlowPlan = {
  isOver: true,
  guest: "keep",
  evicted: NONE,
  disconnected: NONE,
  needed: 0,
  recentBytes: 0,
  isIdle: false,
  isDueAgain: false,
};

/** May the guest be paused for it? Only while it acknowledges, and not soon after it was too slow. */
export const isWaitedFor = (client: FlowClient, now: number): boolean =>
  (client.hasAcknowledged || now < client.graceEndsAt) && now >= client.evictedUntil;

/** Where the guest is waited at for this client, should its connection break now; null: nowhere. */
export const returnOffset = (client: FlowClient, now: number): bigint | null =>
  client.acknowledged !== null && isWaitedFor(client, now) ? client.acknowledged : null;

/**
 * Decides who is waited for, and what that means for the guest's stream and for the log. It runs for every piece of output of every
 * terminal, so it allocates its answer and, where no client is evicted or disconnected, nothing else.
 */
export function planFlow(state: FlowState, now: number): FlowPlan {
  if (isOver(state, now)) return OVER;
  const { log, model, recorder, isPaused } = state;
  const pausedMs = isPaused ? now - state.pausedAt : 0;
  const isSpent = pausedMs > (state.canLeave ? MAX_PAUSE_MS : PAUSE_MS);
  const isLate = isSpent || (isPaused && now - Math.max(state.pausedAt, state.returnedAt) > PAUSE_MS);
  const limit = isPaused ? RESUME_BEHIND_BYTES : PAUSE_BEHIND_BYTES;
  let needed = model.keeps ?? log.next;
  let shouldPause = model.behind > limit;
  if (recorder !== null && recorder.needs !== null) {
    shouldPause ||= recorder.behind > limit;
    needed = Math.min(needed, recorder.needs);
  }
  let evicted: FlowClient[] | null = null;
  for (const client of state.clients) {
    if (client.needs === null || !isWaitedFor(client, now)) continue;
    const isBehind = client.behind > limit || isFar(client.acknowledged, state);
    if (isBehind && isLate) {
      evicted ??= [];
      evicted.push(client);
    } else {
      shouldPause ||= isBehind;
      needed = Math.min(needed, client.needs);
    }
  }
  const disconnected = isSpent ? NONE : stillWaitedFor(state, now);
  for (const { offset, back } of disconnected) {
    const at = back === null ? offset : (returnOffset(back, now) ?? offset);
    shouldPause ||= isFar(at, state);
  }
  // What ended a terminal stays for those who have not taken it.
  const isIdle = now - state.printedAt > IDLE_MS && !state.hasExited;
  // An item that is needed stays in the log, which a later plan may release.
  const isLogEmptied = needed >= log.next || log.first === log.next;
  return {
    isOver: false,
    guest: guestOf(shouldPause, isPaused, pausedMs),
    evicted: evicted ?? NONE,
    disconnected,
    needed,
    recentBytes: isIdle ? 0 : LOG_RECENT_BYTES,
    isIdle,
    isDueAgain: !isIdle || shouldPause || disconnected.length > 0 || !isLogEmptied,
  };
}

/** What an ended program printed is in the guest and on the kept screen, once model and recorder have all of it. */
function isOver({ hasExited, clients, printedAt, model, recorder }: FlowState, now: number): boolean {
  const isLeft = hasExited && clients.size === 0 && now - printedAt > ENDED_MS;
  return isLeft && model.behind === 0 && (recorder === null || recorder.behind === 0);
}

function guestOf(shouldPause: boolean, isPaused: boolean, pausedMs: number): FlowPlan["guest"] {
  if (shouldPause !== isPaused) return shouldPause ? "pause" : "resume";
  return shouldPause && pausedMs > PAUSE_MS ? "leave" : "keep";
}

const isFar = (offset: bigint | null, { log, isPaused }: FlowState): boolean =>
  offset !== null && log.end - offset > (isPaused ? RESUME_UNACKNOWLEDGED_BYTES : PAUSE_UNACKNOWLEDGED_BYTES);

function stillWaitedFor({ clients, disconnected, returnedAt }: FlowState, now: number): readonly DisconnectedClient[] {
  if (disconnected.length === 0) return disconnected;
  const isAlone = clients.size === 0 || now - returnedAt < DISCONNECTED_MS;
  const latest = now - (isAlone ? DISCONNECTED_ALONE_MS : DISCONNECTED_MS);
  const isWaiting = ({ since, back }: DisconnectedClient): boolean =>
    since > latest && (back === null || (clients.has(back) && back.needs === null));
  return disconnected.every(isWaiting) ? disconnected : disconnected.filter(isWaiting);
}
