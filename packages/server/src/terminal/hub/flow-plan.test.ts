import fc from "fast-check";
import { describe, expect, it } from "vitest";
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
import { type FlowClient, type FlowPlan, type FlowState, isWaitedFor, planFlow, returnOffset } from "./flow-plan.ts";

/** Now, and the end of the output so far. */
const T = 1_000_000;
const END = 10_000_000n;
const LOG = { first: 100, next: 200, end: END };

const client = (over: Partial<FlowClient> = {}): FlowClient => ({
  needs: 200,
  behind: 0,
  hasAcknowledged: true,
  graceEndsAt: 0,
  evictedUntil: 0,
  acknowledged: END,
  ...over,
});
const state = (over: Partial<FlowState> = {}): FlowState => ({
  clients: new Set(),
  disconnected: [],
  returnedAt: Number.NEGATIVE_INFINITY,
  log: LOG,
  model: { keeps: 200, behind: 0 },
  recorder: null,
  isPaused: false,
  pausedAt: 0,
  canLeave: true,
  printedAt: T,
  hasExited: false,
  ...over,
});
const of = (...clients: readonly FlowClient[]) => ({ clients: new Set(clients) });
const pausedFor = (ms: number) => ({ isPaused: true, pausedAt: T - ms });

const slow = client({ needs: 120, behind: PAUSE_BEHIND_BYTES + 1 });
const halfway = client({ needs: 150, behind: RESUME_BEHIND_BYTES + 1 });
const far = client({ acknowledged: END - PAUSE_UNACKNOWLEDGED_BYTES - 1n });
const near = client({ acknowledged: END - RESUME_UNACKNOWLEDGED_BYTES });
const silent = client({ needs: 120, behind: 2 * PAUSE_BEHIND_BYTES, hasAcknowledged: false });
const fresh = { ...silent, graceEndsAt: T + 1 };
const punished = { ...slow, evictedUntil: T + 1 };
const lost = client({ needs: null, acknowledged: END - 4_000_000n });
const left = (ms: number, behind: bigint, back: FlowClient | null = null) => ({
  offset: END - behind,
  since: T - ms,
  back,
});
const FAR = PAUSE_UNACKNOWLEDGED_BYTES + 1n;

const TABLE: readonly [string, Partial<FlowState>, Partial<FlowPlan>][] = [
  // The guest.
  ["no client: goes on", {}, { guest: "keep", needed: 200, recentBytes: LOG_RECENT_BYTES }],
  ["all have everything: goes on", of(client(), client()), { guest: "keep", needed: 200 }],
  ["a client far behind in the log: is paused", of(client(), slow), { guest: "pause", needed: 120, evicted: [] }],
  ["a client half as far behind: goes on", of(halfway), { guest: "keep", needed: 150 }],
  ["the same while paused: stays paused", { ...of(halfway), ...pausedFor(10) }, { guest: "keep", needed: 150 }],
  ["a client that acknowledges late: is paused", of(far), { guest: "pause" }],
  ["one that has caught up: is read on", { ...of(near), ...pausedFor(10) }, { guest: "resume" }],
  ["none behind any more: is read on", { ...of(client()), ...pausedFor(PAUSE_MS + 1) }, { guest: "resume" }],
  // Who is waited for.
  ["a client that never acknowledged: not waited for", of(silent), { guest: "keep", needed: 200 }],
  ["one that has just come back: waited for", of(fresh), { guest: "pause", needed: 120 }],
  ["one that was evicted: not waited for", of(punished), { guest: "keep", needed: 200, evicted: [] }],
  ["one that needs nothing of the log: not waited for", of(lost), { guest: "keep", needed: 200 }],
  ["a viewer that acknowledges late: by the log alone", of(client({ acknowledged: null })), { guest: "keep" }],
  ["the screen's model: waited for", { model: { keeps: 110, behind: PAUSE_BEHIND_BYTES + 1 } }, { guest: "pause" }],
  ["a screen that is being taken: keeps the log", { model: { keeps: 110, behind: 0 } }, { guest: "keep", needed: 110 }],
  ["a model that needs nothing", { model: { keeps: null, behind: 0 } }, { guest: "keep", needed: 200 }],
  [
    "a recording: waited for",
    { recorder: { needs: 105, behind: PAUSE_BEHIND_BYTES + 1 } },
    { guest: "pause", needed: 105 },
  ],
  [
    "a recording that waits for a screen: not waited for",
    { recorder: { needs: null, behind: 0 } },
    { guest: "keep", needed: 200 },
  ],
  // For how long.
  ["a slow client: for a while", { ...of(slow), ...pausedFor(PAUSE_MS) }, { guest: "keep", evicted: [], needed: 120 }],
  [
    "a slow client for too long: evicted",
    { ...of(slow, client()), ...pausedFor(PAUSE_MS + 1) },
    { guest: "resume", evicted: [slow], needed: 200 },
  ],
  [
    "two of three for too long",
    { ...of(slow, halfway, client()), ...pausedFor(PAUSE_MS + 1) },
    { guest: "resume", evicted: [slow, halfway] },
  ],
  [
    "one that is back has its time: the guest is left meanwhile",
    { ...of(slow), ...pausedFor(PAUSE_MS + 1), returnedAt: T - 10 },
    { guest: "leave", evicted: [], needed: 120 },
  ],
  [
    "those that come back without end: not for ever",
    { ...of(slow), ...pausedFor(MAX_PAUSE_MS + 1), returnedAt: T - 10 },
    { guest: "resume", evicted: [slow] },
  ],
  [
    "the same where the guest can't be left",
    { ...of(slow), ...pausedFor(PAUSE_MS + 1), returnedAt: T - 10, canLeave: false },
    { guest: "resume", evicted: [slow] },
  ],
  [
    "the model for too long: the guest is left",
    { model: { keeps: 110, behind: PAUSE_BEHIND_BYTES }, ...pausedFor(MAX_PAUSE_MS + 1) },
    { guest: "leave", needed: 110 },
  ],
  // Clients that were cut off.
  ["one cut off, and far behind: is paused", { disconnected: [left(10, FAR)] }, { guest: "pause", isDueAgain: true }],
  ["one cut off, and not far behind", { disconnected: [left(10, 100n)] }, { guest: "keep", isDueAgain: true }],
  [
    "one cut off alone: for long",
    { disconnected: [left(DISCONNECTED_ALONE_MS - 1, FAR)], ...pausedFor(DISCONNECTED_ALONE_MS - 1) },
    { guest: "leave", disconnected: [left(DISCONNECTED_ALONE_MS - 1, FAR)] },
  ],
  [
    "one cut off alone: not for ever",
    { disconnected: [left(DISCONNECTED_ALONE_MS, FAR)], ...pausedFor(10) },
    { guest: "resume", disconnected: [] },
  ],
  [
    "one cut off while others look on: for a while",
    { ...of(client()), disconnected: [left(DISCONNECTED_MS - 1, FAR), left(DISCONNECTED_MS, FAR)] },
    { guest: "pause", disconnected: [left(DISCONNECTED_MS - 1, FAR)] },
  ],
  [
    "others may be right behind one that came back",
    { ...of(client()), disconnected: [left(DISCONNECTED_MS + 1, FAR)], returnedAt: T - 10 },
    { guest: "pause", disconnected: [left(DISCONNECTED_MS + 1, FAR)] },
  ],
  [
    "one that is back and behind the log: at where it is by now",
    { ...of(lost), disconnected: [left(10, 100n, lost)] },
    { guest: "pause", disconnected: [left(10, 100n, lost)] },
  ],
  [
    "one that is back and silent: at where it left",
    { ...of({ ...lost, hasAcknowledged: false }), disconnected: [left(10, 100n)] },
    { guest: "keep" },
  ],
  [
    "one that is back and has met the log",
    { ...of(slow), disconnected: [left(10, FAR, slow)] },
    { guest: "pause", disconnected: [] },
  ],
  [
    "one that is back, is behind and is evicted: not waited for as cut off either",
    { ...of(slow), disconnected: [left(10, FAR, slow)], ...pausedFor(PAUSE_MS + 1) },
    { guest: "resume", evicted: [slow], disconnected: [] },
  ],
  ["one that came back and left again", { disconnected: [left(10, FAR, lost)] }, { guest: "keep", disconnected: [] }],
  [
    "all that were cut off, once the guest was paused for too long",
    { disconnected: [left(10, FAR)], ...pausedFor(MAX_PAUSE_MS + 1) },
    { guest: "resume", disconnected: [] },
  ],
  // Rest.
  [
    "a terminal at rest: keeps nothing, and is left alone",
    { printedAt: T - IDLE_MS - 1 },
    { isIdle: true, recentBytes: 0, isDueAgain: false },
  ],
  [
    "a terminal at rest whose log is empty",
    { printedAt: T - IDLE_MS - 1, log: { ...LOG, first: 200 }, model: { keeps: 150, behind: 0 } },
    { isDueAgain: false },
  ],
  [
    "a terminal at rest with a client that lacks something",
    { printedAt: T - IDLE_MS - 1, ...of(halfway) },
    { isIdle: true, recentBytes: 0, needed: 150, isDueAgain: true },
  ],
  [
    "a terminal at rest that waits for one that was cut off",
    { printedAt: T - IDLE_MS - 1, disconnected: [left(10, 100n)] },
    { isIdle: true, isDueAgain: true },
  ],
  ["a terminal that has just printed", { printedAt: T - IDLE_MS }, { isIdle: false, isDueAgain: true }],
  [
    "an ended terminal keeps its last output for those that have not taken it",
    { printedAt: T - IDLE_MS - 1, hasExited: true, ...of(client()) },
    { isOver: false, isIdle: false, recentBytes: LOG_RECENT_BYTES, isDueAgain: true },
  ],
  // The end.
  ["an ended terminal without clients", { hasExited: true, printedAt: T - ENDED_MS - 1 }, { isOver: true }],
  ["just ended", { hasExited: true, printedAt: T - ENDED_MS }, { isOver: false, isDueAgain: true }],
  ["ended, with a client", { hasExited: true, printedAt: T - ENDED_MS - 1, ...of(client()) }, { isOver: false }],
  [
    "ended, its model not finished",
    { hasExited: true, printedAt: T - ENDED_MS - 1, model: { keeps: 199, behind: 1 } },
    { isOver: false, isDueAgain: true },
  ],
  [
    "ended, its recording not finished",
    { hasExited: true, printedAt: T - ENDED_MS - 1, recorder: { needs: 199, behind: 1 } },
    { isOver: false },
  ],
  ["silent, and not ended", { printedAt: T - ENDED_MS - 1 }, { isOver: false }],
];

it.each(TABLE)("%s", (_, over, plan) => {
  expect(planFlow(state(over), T)).toMatchObject(plan);
});

describe("a client is waited for", () => {
  it.each([
    ["that acknowledges", client(), true],
    ["in its first seconds", fresh, true],
    ["not before it acknowledges", silent, false],
    ["not soon after it was evicted", punished, false],
    ["again later", { ...slow, evictedUntil: T }, true],
  ] as const)("%s", (_, one, is) => {
    expect(isWaitedFor(one, T)).toBe(is);
    expect(returnOffset(one, T)).toBe(is ? one.acknowledged : null);
    expect(returnOffset({ ...one, acknowledged: null }, T)).toBeNull();
  });
});

describe("any plan", () => {
  const time = fc.integer({ min: 0, max: 2 * MAX_PAUSE_MS }).map((ms) => T - ms);
  const number = fc.option(fc.integer({ min: 100, max: 200 }));
  const behind = fc.integer({ min: 0, max: 2 * PAUSE_BEHIND_BYTES });
  const offset = fc.bigInt({ min: END - 1_000_000n, max: END });
  const anyClient: fc.Arbitrary<FlowClient> = fc.record({
    needs: number,
    behind,
    hasAcknowledged: fc.boolean(),
    graceEndsAt: time.map((at) => at + MAX_PAUSE_MS),
    evictedUntil: time.map((at) => at + MAX_PAUSE_MS),
    acknowledged: fc.option(offset),
  });
  const anyState: fc.Arbitrary<FlowState> = fc.record({
    clients: fc.array(anyClient, { maxLength: 4 }).map((all) => new Set(all)),
    disconnected: fc.array(fc.record({ offset, since: time, back: fc.option(anyClient) }), { maxLength: 3 }),
    returnedAt: time,
    log: fc.constant(LOG),
    model: fc.record({ keeps: number, behind }),
    recorder: fc.option(fc.record({ needs: number, behind })),
    isPaused: fc.boolean(),
    pausedAt: time,
    canLeave: fc.boolean(),
    printedAt: time,
    hasExited: fc.boolean(),
  });

  it("releases nothing that a client needs which is waited for and not evicted", () => {
    fc.assert(
      fc.property(anyState, (all) => {
        const plan = planFlow(all, T);
        if (plan.isOver) return;
        for (const one of all.clients) {
          if (one.needs === null || !isWaitedFor(one, T) || plan.evicted.includes(one)) continue;
          expect(plan.needed).toBeLessThanOrEqual(one.needs);
        }
        expect(plan.needed).toBeLessThanOrEqual(all.model.keeps ?? LOG.next);
      }),
    );
  });

  it("pauses what is read, reads on or leaves what is paused, and is made again while anything is paused", () => {
    fc.assert(
      fc.property(anyState, (all) => {
        const { guest, isOver, isDueAgain } = planFlow(all, T);
        if (guest === "pause") expect(all.isPaused).toBe(false);
        if (guest === "resume" || guest === "leave") expect(all.isPaused).toBe(true);
        const willBePaused = guest === "pause" || (all.isPaused && guest !== "resume");
        if (willBePaused && !isOver) expect(isDueAgain).toBe(true);
      }),
    );
  });

  it("waits for no client for longer than half a minute", () => {
    fc.assert(
      fc.property(anyState, (all) => {
        const long = { ...all, isPaused: true, pausedAt: T - MAX_PAUSE_MS - 1, recorder: null };
        const plan = planFlow({ ...long, model: { keeps: null, behind: 0 } }, T);
        if (!plan.isOver) expect(plan.guest).toBe("resume");
      }),
    );
  });
});
