import type { EnvironmentId, Notice, OwnerId } from "@microterm/protocol";
import type { Clock } from "../ports/clock.ts";
import type { EnvironmentRow } from "../ports/repository.ts";
import { createWakeup, type Wakeup } from "../time/wakeup.ts";
import type { CpuSample } from "./lifetime-plan.ts";

/** What is announced goes on, used or not, but for these. */
const PUT_OFF_BY_USE: ReadonlySet<Notice["code"]> = new Set(["idle", "pause-failed"]);

type Owned = Pick<EnvironmentRow, "id" | "owner">;

/** When each environment was last used, and what its owner is told about its end. In memory: it starts over with the process. */
export interface Lifetimes {
  /** It was used. Cheap: one entry in a map. */
  note(id: EnvironmentId): void;
  /** It is in use, however little it computes, until what this returns is called; that has no effect a second time. */
  beginUse(id: EnvironmentId): () => void;
  /** It runs, or was given another idle time-out: its idle time begins. */
  began(id: EnvironmentId): void;
  /** Counted from now where it is unknown: after a restart of the server. */
  usedAt(id: EnvironmentId): number;
  noticeOf(id: EnvironmentId): Notice | null;
  /** A pause that was asked for did not come about; the next use, or the next pause, takes the notice away. */
  pauseFailed(row: Owned, reason: string): void;
  setNotice(row: Owned, notice: Notice | null): void;
  /** It is being ended: its idle time begins again, and its notice goes unseen. */
  ending(id: EnvironmentId): void;
  /** Environments without times have no notice but that of a failed pause. */
  dropNoticesBut(timed: readonly Owned[]): void;
  /** The guest's CPU time when it was last asked, ms; null: it has to be asked again before a share can be told. */
  readonly samples: Map<EnvironmentId, CpuSample>;
  readonly sampledAt: Map<EnvironmentId, number>;
  /** For the one loop that looks after lifetimes. */
  readonly wakeup: Wakeup;
  forget(id: EnvironmentId): void;
}

export interface LifetimesOptions {
  readonly clock: Clock;
  /** A notice came or went. */
  changed(row: Owned): void;
}

export function createLifetimes({ clock, changed }: LifetimesOptions): Lifetimes {
  const used = new Map<EnvironmentId, number>();
  const notices = new Map<EnvironmentId, { readonly owner: OwnerId; readonly notice: Notice }>();
  const samples = new Map<EnvironmentId, CpuSample>();
  const sampledAt = new Map<EnvironmentId, number>();
  const wakeup = createWakeup();
  /** How many uses of each are going on. */
  const inUse = new Map<EnvironmentId, number>();

  function setNotice(row: Owned, notice: Notice | null): void {
    const before = notices.get(row.id)?.notice ?? null;
    if (isSame(before, notice)) return;
    // A failure stays in the notice until there is something else to report.
    if (before?.code === "pause-failed" && notice === null) return;
    if (notice === null) notices.delete(row.id);
    else notices.set(row.id, { owner: row.owner, notice });
    changed(row);
  }

  function note(id: EnvironmentId): void {
    used.set(id, clock.now());
    const shown = notices.get(id);
    if (shown === undefined || !PUT_OFF_BY_USE.has(shown.notice.code)) return;
    notices.delete(id);
    changed({ id, owner: shown.owner });
    wakeup.wake();
  }

  return {
    samples,
    sampledAt,
    wakeup,
    setNotice,
    note,
    beginUse(id) {
      note(id);
      inUse.set(id, (inUse.get(id) ?? 0) + 1);
      let hasEnded = false;
      return () => {
        if (hasEnded) return;
        hasEnded = true;
        const others = (inUse.get(id) ?? 0) - 1;
        if (others > 0) inUse.set(id, others);
        else inUse.delete(id);
        // One that is gone is not brought back.
        if (used.has(id)) note(id);
      };
    },
    began(id) {
      used.set(id, clock.now());
      samples.delete(id);
      sampledAt.delete(id);
    },
    usedAt(id) {
      const at = inUse.has(id) ? clock.now() : (used.get(id) ?? clock.now());
      used.set(id, at);
      return at;
    },
    noticeOf: (id) => notices.get(id)?.notice ?? null,
    pauseFailed: (row, reason) => setNotice(row, { code: "pause-failed", detail: reason }),
    ending(id) {
      used.set(id, clock.now());
      notices.delete(id);
    },
    dropNoticesBut(timed) {
      const ids = new Set(timed.map(({ id }) => id));
      for (const [id, { owner, notice }] of notices) {
        if (notice.code !== "pause-failed" && !ids.has(id)) setNotice({ id, owner }, null);
      }
    },
    forget(id) {
      for (const map of [used, notices, samples, sampledAt]) map.delete(id);
    },
  };
}

const isSame = (one: Notice | null, other: Notice | null): boolean => JSON.stringify(one) === JSON.stringify(other);
