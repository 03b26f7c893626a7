import type { PeerServer } from "@microterm/core";

/** What one look at the database tells of a peer. */
export interface Sighting extends PeerServer {
  /** By the database's clock. Compared with what it was before alone. */
  readonly seenAt: number;
  /** Whether its own connection has its lock. */
  readonly isLocked: boolean;
}

/** A peer that has ended, or does not go on. */
export interface DeadPeer extends Sighting {
  readonly why: string;
}

interface Known {
  seenAt: number;
  /** Looks in a row in which it had not been heard of since. */
  silent: number;
  /** Looks in a row in which nobody had its lock. */
  unlocked: number;
  wasLocked: boolean;
}

/** Looks are half a second apart: a peer that says nothing in so many is stopped, or cut off from the database. */
export const SILENT_LOOKS = 20;
/** A connection that was lost is opened again by then, where its server lives. */
export const UNLOCKED_LOOKS = 4;

/**
 * Judges which peers live, by nothing but successful looks at the database: a server, or a database, that itself stood still has seen
 * nothing meanwhile, and so condemns nobody for it. A database that was away comes back to its servers one after the other: until all had the
 * time for that, a peer whose lock nobody has is not there yet.
 */
export class PeerLiveness {
  readonly #known = new Map<number, Known>();
  #looks = 0;
  #isSettled: boolean;

  /** `isSettled`: the database has been there for long. */
  constructor(isSettled: boolean) {
    this.#isSettled = isSettled;
  }

  look(sightings: readonly Sighting[]): { readonly living: readonly PeerServer[]; readonly dead: readonly DeadPeer[] } {
    this.#looks++;
    if (this.#looks > SILENT_LOOKS) this.#isSettled = true;
    const numbers = new Set(sightings.map(({ number }) => number));
    for (const number of this.#known.keys()) if (!numbers.has(number)) this.#known.delete(number);
    const living: PeerServer[] = [];
    const dead: DeadPeer[] = [];
    for (const sighting of sightings) {
      const why = this.#judge(sighting);
      if (why !== null) dead.push({ ...sighting, why });
      else living.push({ number: sighting.number, address: sighting.address });
    }
    return { living, dead };
  }

  #judge({ number, seenAt, isLocked }: Sighting): string | null {
    const known = this.#known.get(number) ?? { seenAt, silent: 0, unlocked: 0, wasLocked: false };
    this.#known.set(number, known);
    known.silent = known.seenAt === seenAt ? known.silent + 1 : 0;
    known.seenAt = seenAt;
    known.unlocked = isLocked ? 0 : known.unlocked + 1;
    known.wasLocked ||= isLocked;
    if (known.silent > SILENT_LOOKS) return "it does not go on";
    const isGone = known.unlocked >= UNLOCKED_LOOKS && (known.wasLocked || this.#isSettled);
    return isGone ? "its connection has ended" : null;
  }
}
